package config

// file is the YAML file as it is written: texts and numbers, not yet
// understood. Its tags are the only list of the keys there are; the reader, the
// schema and Show all follow them.
type file struct {
	DataDir    string         `yaml:"data_dir" json:"data_dir" jsonschema:"absolute path of the data folder; created with mode 0700"`
	API        apiFile        `yaml:"api" json:"api,omitzero" jsonschema:"the local query API"`
	Sources    []sourceFile   `yaml:"sources" json:"sources" jsonschema:"the accounts to archive"`
	Recordings recordingsFile `yaml:"recordings" json:"recordings,omitzero" jsonschema:"how recordings are stored"`
	Search     searchFile     `yaml:"search" json:"search,omitzero" jsonschema:"the full-text index"`
	Redaction  redactionFile  `yaml:"redaction" json:"redaction,omitzero" jsonschema:"what is masked before indexing and display"`
	Retention  []any          `yaml:"retention" json:"retention,omitempty" jsonschema:"retention rules; none are supported yet"`
	Heartbeat  string         `yaml:"heartbeat_url" json:"heartbeat_url,omitempty" jsonschema:"address pinged while completeness is proved fresh; not supported yet"`
}

type apiFile struct {
	Listen      string  `yaml:"listen" json:"listen,omitempty" jsonschema:"loopback address and port; port 0 picks a free one"`
	AllowRemote bool    `yaml:"allow_remote" json:"allow_remote,omitempty" jsonschema:"listening beyond this machine; not supported yet"`
	TLS         tlsFile `yaml:"tls,omitempty" json:"tls,omitzero" jsonschema:"certificate for remote access; not supported yet"`
}

type tlsFile struct {
	Cert string `yaml:"cert,omitempty" json:"cert,omitempty"`
	Key  string `yaml:"key,omitempty" json:"key,omitempty"`
}

type sourceFile struct {
	Name              string            `yaml:"name" json:"name" jsonschema:"first half of every call's key; never change it"`
	Provider          string            `yaml:"provider" json:"provider" jsonschema:"name of a built-in provider, or path of a provider file"`
	BaseURL           string            `yaml:"base_url,omitempty" json:"base_url,omitempty" jsonschema:"address of the vendor's API; the provider has a default"`
	Credentials       map[string]string `yaml:"credentials,omitempty" json:"credentials,omitempty" jsonschema:"references to secrets, by the names the provider uses"`
	Since             string            `yaml:"since,omitempty" json:"since,omitempty" jsonschema:"how far back history goes; everything when absent"`
	Schedule          scheduleFile      `yaml:"schedule" json:"schedule,omitzero" jsonschema:"when to look: durations, or cron expressions in UTC"`
	LateHorizon       string            `yaml:"late_horizon" json:"late_horizon,omitempty" jsonschema:"how long after a call late changes are looked for"`
	Budgets           []budgetFile      `yaml:"budgets,omitempty" json:"budgets,omitempty" jsonschema:"request limits in place of the provider's"`
	Concurrency       int               `yaml:"concurrency" json:"concurrency,omitempty" jsonschema:"API requests in flight"`
	Recordings        bool              `yaml:"recordings" json:"recordings,omitempty" jsonschema:"whether to download recordings"`
	AllowPrivateHosts []string          `yaml:"allow_private_hosts,omitempty" json:"allow_private_hosts,omitempty" jsonschema:"private hosts, host:port or CIDRs a recording URL may point to"`
}

type scheduleFile struct {
	Head     string `yaml:"head" json:"head,omitempty" jsonschema:"new calls"`
	Trailing string `yaml:"trailing" json:"trailing,omitempty" jsonschema:"late changes of young calls"`
	Sweep    string `yaml:"sweep" json:"sweep,omitempty" jsonschema:"the whole history"`
}

type budgetFile struct {
	Requests int    `yaml:"requests" json:"requests" jsonschema:"requests allowed"`
	Per      string `yaml:"per" json:"per" jsonschema:"second, minute, hour, day or a duration"`
}

type recordingsFile struct {
	Parallel int    `yaml:"parallel" json:"parallel,omitempty" jsonschema:"downloads at once"`
	MinFree  string `yaml:"min_free" json:"min_free,omitempty" jsonschema:"disk space never used, such as 5GiB"`
	MaxRate  string `yaml:"max_rate" json:"max_rate,omitempty" jsonschema:"bytes a second for the downloads of all sources together, such as 10MiB; 0 means no limit"`
}

type searchFile struct {
	Languages []string `yaml:"languages" json:"languages,omitempty" jsonschema:"languages spoken in the calls"`
}

type redactionFile struct {
	CardNumbers bool `yaml:"card_numbers" json:"card_numbers,omitempty" jsonschema:"mask payment card numbers and security codes"`
}

// defaults is the file with every optional key as if it were written out.
func defaults() file {
	return file{
		API:        apiFile{Listen: "127.0.0.1:7411"},
		Recordings: recordingsFile{Parallel: 4, MinFree: "5GiB", MaxRate: "0"},
		Search:     searchFile{Languages: []string{"en"}},
		Redaction:  redactionFile{CardNumbers: true},
		Retention:  []any{},
	}
}

// defaultSource is a source with every optional key as if it were written out.
func defaultSource() sourceFile {
	return sourceFile{
		Schedule:    scheduleFile{Head: "5m", Trailing: "30m", Sweep: "24h"},
		LateHorizon: "72h",
		Concurrency: 4,
		Recordings:  true,
	}
}

// Languages are those the index can analyse fully, sorted.
var Languages = []string{"ar", "cjk", "ckb", "da", "de", "en", "es", "fa", "fi", "fr", "hi", "hr", "hu",
	"it", "nl", "no", "pl", "pt", "ro", "ru", "sv", "tr"}
