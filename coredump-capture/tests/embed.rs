//! The example host, as a test: it survives a crashing plugin, and the dump has what the plugin worked on.

#[path = "../examples/embed.rs"]
mod embed;

use coredump_core::{Draft, Options, Store};
use embed::{Host, Outcome};

#[tokio::test]
async fn a_host_survives_its_plugin_and_leaves_a_dump() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::new(folder.path()).unwrap();
    assert_eq!(host.run(1).await.unwrap(), Outcome::Done(300));
    let Outcome::Crashed(Some(path)) = host.run(3).await.unwrap() else { panic!("no dump") };
    // It goes on, and a second crash at the same place leaves no second dump.
    assert_eq!(host.run(2).await.unwrap(), Outcome::Done(600));
    assert_eq!(host.run(3).await.unwrap(), Outcome::Crashed(None));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    let dump = Draft::open(&path).unwrap().find_binaries(&Store::new(), &Options::default());
    let recorded = dump.recorded();
    assert_eq!(recorded.producer.as_deref(), Some("example-host 1.0.0"));
    assert_eq!(recorded.process.annotations["job"], "3");
    assert_eq!(dump.reason().unwrap().kind, "integer-divide-by-zero");
    let frames: Vec<_> = recorded.threads[0].frames.iter().map(|frame| frame.locals.as_deref().unwrap()).collect();
    let number = |value: i32| coredump_core::model::Value::I32(value);
    assert_eq!(frames, [&[number(600), number(0)][..], &[number(3)]]);
    assert_eq!(dump.memory(0).unwrap().uint(64, 4).unwrap(), 3);
}
