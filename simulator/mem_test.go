package simulator
import ("testing";"runtime";"time";"fmt")
func TestMem(t *testing.T){
 for _,n:=range []int{10000,100000}{
 var m runtime.MemStats
 t0:=time.Now(); b:=newBench(t,Options{Seed:1,Calls:n}); d:=time.Since(t0)
 runtime.GC(); runtime.ReadMemStats(&m); fmt.Println(n,"new",d,m.HeapAlloc>>20,"MB")
 for _,v:=range vendorNames { t0=time.Now(); b.page(v,100,1); d1:=time.Since(t0); t0=time.Now(); for i:=2;i<22;i++{b.page(v,100,i)}; fmt.Println(v,d1,time.Since(t0)/20)}
 runtime.GC(); runtime.ReadMemStats(&m); fmt.Println(n,"after",m.HeapAlloc>>20,"MB")
 if n==10000 { t0=time.Now(); b.Truth("agentvoice"); fmt.Println("truth mp3",time.Since(t0)); t0=time.Now(); b.Truth("solomobile"); fmt.Println("truth wav",time.Since(t0))}
 runtime.KeepAlive(b)
 }
}
