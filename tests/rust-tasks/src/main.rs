//! Tasks of tokio that wait in each other by what the library and its neighbours offer. Each line that it prints is a
//! task: its function, its number, and variables that live across the places where it waits, the outermost first. It
//! ends by a panic in a task that is polled.
use futures::future::{self, Either, FutureExt};
use futures::stream::{FuturesOrdered, FuturesUnordered, Stream, StreamExt};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Barrier, Notify, OnceCell, RwLock, broadcast, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet, spawn_local};

fn say<T>(function: &str, task: &JoinHandle<T>, variables: &str) {
    println!("{function} {} {variables}", task.id());
}

async fn nap(number: u32) -> u32 {
    let before = number * 10;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    before + 1
}

#[derive(Debug, Clone, PartialEq)]
#[allow(dead_code)]
enum Kind {
    Small,
    Large { width: u16, tags: Vec<String> },
    Named(String, i8),
}

#[async_trait::async_trait(?Send)]
trait Fetch {
    async fn fetch(&self, key: u32) -> String;
}
struct Disk {
    delay: u32,
    names: BTreeMap<u32, String>,
}
#[async_trait::async_trait(?Send)]
impl Fetch for Disk {
    async fn fetch(&self, key: u32) -> String {
        let waited = nap(self.delay + key).await;
        self.names.get(&key).cloned().unwrap_or_else(|| format!("none {waited}"))
    }
}
trait Native {
    async fn native(&self, rounds: u8) -> u64;
}
impl Native for Disk {
    async fn native(&self, rounds: u8) -> u64 {
        let mut sum = 5u64;
        for round in 0..rounds {
            sum += u64::from(nap(u32::from(round) + 40).await);
        }
        sum
    }
}
async fn through(disk: Rc<dyn Fetch>, key: u32) -> usize {
    let prefix = String::from("got ");
    let text = disk.fetch(key).await;
    prefix.len() + text.len()
}
async fn static_trait<N: Native>(n: N, rounds: u8) -> u64 {
    let extra = 1_000_000_007u64;
    n.native(rounds).await + extra
}
async fn barrier(b: Rc<Barrier>, who: char) -> bool {
    let ratio = 0.75f64;
    let r = b.wait().await.is_leader();
    r && ratio > 0.5 && who == 'b'
}
async fn rwlock(l: Rc<RwLock<i32>>, kind: Kind) -> i32 {
    let copy = kind.clone();
    let g = l.write().await;
    drop(copy);
    *g
}
async fn watcher(mut rx: watch::Receiver<i64>) -> i64 {
    let seen = *rx.borrow();
    rx.changed().await.unwrap();
    seen
}
async fn heard(mut rx: broadcast::Receiver<u8>, list: Vec<i16>) -> usize {
    let count = list.len();
    let _ = rx.recv().await;
    count + list.len()
}
async fn once(cell: Rc<OnceCell<u32>>) -> u32 {
    let least = -3i8;
    *cell.get_or_init(|| async { nap(60).await }).await + least as u32
}
async fn set(n: u32) -> u32 {
    let mut all = JoinSet::new();
    for i in 0..n {
        all.spawn_local(nap(i + 70));
    }
    let mut got = 0;
    while let Some(one) = all.join_next().await {
        got += one.unwrap();
    }
    got
}
async fn unordered(n: u32) -> u32 {
    let mut all: FuturesUnordered<_> = (0..n).map(|i| nap(80 + i)).collect();
    let mut sum = 2;
    while let Some(v) = all.next().await {
        sum += v;
    }
    sum
}
async fn ordered() -> u32 {
    let mut all = FuturesOrdered::new();
    all.push_back(nap(90));
    all.push_back(nap(91));
    let first = all.next().await;
    first.unwrap()
}
fn numbers(limit: u32) -> impl Stream<Item = u32> {
    async_stream::stream! { let mut at = 3; while at < limit { yield at; at += nap(at).await; /* numbers waits */ } }
}
async fn stream(limit: u32) -> u32 {
    let mut s = Box::pin(numbers(limit));
    let mut last = 0;
    while let Some(v) = s.next().await {
        last = v;
    }
    last
}
async fn buffered() -> Vec<u32> {
    let width = 2usize;
    futures::stream::iter(0..5u32).map(|i| nap(100 + i)).buffer_unordered(width).collect().await
}
async fn either(flag: bool) -> u32 {
    let f = if flag { Either::Left(nap(110)) } else { Either::Right(future::pending::<u32>()) };
    let tag = 'é';
    f.await + tag as u32
}
async fn joined_all(count: u32) -> usize {
    let all = future::join_all((0..count).map(|i| nap(120 + i))).await;
    all.len()
}
async fn selected(n: Rc<Notify>) -> u32 {
    let mut ticks = tokio::time::interval(Duration::from_secs(900));
    ticks.tick().await;
    let mut turns = 1u32;
    loop {
        tokio::select! { biased; _ = n.notified() => return turns, _ = ticks.tick() => turns += 1, }
    }
}
async fn fselected(a: oneshot::Receiver<u8>) -> u8 {
    let mut one = a.fuse();
    let mut two = Box::pin(nap(130).fuse());
    let base = 17u8;
    futures::select! { v = one => v.unwrap() + base, _ = two => base }
}
fn recursive(depth: u32) -> Pin<Box<dyn Future<Output = u32>>> {
    Box::pin(async move {
        let here = depth * 3;
        if depth == 0 { nap(140).await } else { recursive(depth - 1).await + here }
    })
}
async fn closure() -> u32 {
    let base = 12u32;
    let f = async |x: u32| {
        let y = x + base;
        nap(y).await
    };
    f(3).await + base
}
async fn mapped() -> u32 {
    let k = 6u32;
    nap(150).map(|v| v + 1).then(|v| async move { v * 2 }).await + k
}
async fn shielded(t: JoinHandle<u32>) -> Result<u32, String> {
    let why = "no answer";
    t.await.map_err(|_| why.to_owned())
}
async fn timed(secs: u64) -> Option<u32> {
    let d = Duration::from_millis(secs * 1500);
    tokio::time::timeout(d, nap(160)).await.ok()
}
async fn yielding() {
    let mut turns = 0u8;
    while turns < 3 {
        tokio::task::yield_now().await;
        turns += 1;
    }
    nap(170).await;
}
async fn sender(tx: mpsc::Sender<[u8; 4]>) -> usize {
    let mut sent = 0usize;
    loop {
        if tx.send([1, 2, 3, sent as u8]).await.is_err() {
            return sent;
        }
        sent += 1;
    }
}
async fn crasher(values: Vec<u32>, at: usize) -> u32 {
    let sum: u32 = values.iter().sum();
    tokio::task::yield_now().await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    explode(&values, at, sum)
}
#[inline(never)]
fn explode(values: &[u32], at: usize, sum: u32) -> u32 {
    values[at] + sum
}

fn main() {
    let rt = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&rt, async {
        let names: BTreeMap<u32, String> = [(1, "one".to_string()), (2, "two".to_string())].into();
        let t = spawn_local(through(Rc::new(Disk { delay: 20, names: names.clone() }), 2));
        say("through", &t, "prefix=\"got \" key=2 before=220");
        let t = spawn_local(static_trait(Disk { delay: 1, names }, 3));
        say("static_trait", &t, "extra=1000000007 rounds=3 sum=5 rounds=3 before=400");
        let b = Rc::new(Barrier::new(3));
        let t = spawn_local(barrier(b.clone(), 'b'));
        say("barrier", &t, "who='b' ratio=0.75");
        let l = Rc::new(RwLock::new(4));
        let guard = l.read().await;
        let t = spawn_local(rwlock(l.clone(), Kind::Large { width: 9, tags: vec!["x".into()] }));
        say("rwlock", &t, "");
        let (wtx, wrx) = watch::channel(-77i64);
        let t = spawn_local(watcher(wrx));
        say("watcher", &t, "seen=-77");
        let (btx, brx) = broadcast::channel(4);
        let t = spawn_local(heard(brx, vec![-1, 2]));
        say("heard", &t, "count=2");
        let t = spawn_local(once(Rc::new(OnceCell::new())));
        say("once", &t, "least=-3");
        let t = spawn_local(set(2));
        say("set", &t, "got=0 n=2");
        let t = spawn_local(unordered(2));
        say("unordered", &t, "sum=2 n=2 before=810 before=800");
        let t = spawn_local(ordered());
        say("ordered", &t, "before=910 before=900");
        let t = spawn_local(stream(50));
        say("stream", &t, "last=3 limit=50 at=3 limit=50 before=30");
        let t = spawn_local(buffered());
        say("buffered", &t, "before=1010 before=1000");
        let t = spawn_local(either(true));
        say("either", &t, "tag='é' flag=true before=1100");
        let t = spawn_local(joined_all(2));
        say("joined_all", &t, "count=2");
        let notify = Rc::new(Notify::new());
        let t = spawn_local(selected(notify.clone()));
        say("selected", &t, "turns=1");
        let (otx, orx) = oneshot::channel();
        let t = spawn_local(fselected(orx));
        say("fselected", &t, "base=17");
        let t = spawn_local(recursive(2));
        say("recursive", &t, "here=6 depth=2 here=3 depth=1 depth=0 before=1400");
        let t = spawn_local(closure());
        say("closure", &t, "base=12 x=3 base=12 before=150");
        let t = spawn_local(mapped());
        say("mapped", &t, "k=6 before=1500");
        let t2 = spawn_local(nap(5));
        say("nap", &t2, "before=50 number=5");
        let t = spawn_local(shielded(t2));
        say("shielded", &t, "why=\"no answer\"");
        let t = spawn_local(timed(9));
        say("timed", &t, "secs=9 before=1600");
        let t = spawn_local(yielding());
        say("yielding", &t, "before=1700");
        let (mtx, mrx) = mpsc::channel(1);
        let t = spawn_local(sender(mtx));
        say("sender", &t, "sent=1");
        let t = spawn_local(crasher(vec![1, 2, 3], 7));
        say("crasher", &t, "");
        for _ in 0..6 {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop((guard, wtx, btx, notify, otx, mrx));
        let hold = spawn_local(future::pending::<()>());
        hold.await.unwrap();
    });
}
