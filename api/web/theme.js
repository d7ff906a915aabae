// Runs before anything is painted, so that a chosen theme does not flash.
{
  let chosen = null;
  try {
    chosen = localStorage.getItem('callsyncd-theme');
  } catch { /* storage is switched off: the system's choice stands */ }
  if (chosen === 'dark' || chosen === 'light') document.documentElement.dataset.theme = chosen;
}
