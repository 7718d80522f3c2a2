//! A small simulated workspace, and the program at work in it.

use crate::program;
use crate::servers::bound;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Two pairs of machines, whose runbooks share the replica `b`.
const DOCUMENTS: &str = "
apiVersion: lifeboat/v1
kind: Site
metadata: { name: production }
spec: { provider: { simulator: { CLOCK defaults: { boot: 2s, shutdown: 1s, sync: 4s, ports: [443] } } } }
---
apiVersion: lifeboat/v1
kind: Site
metadata: { name: recovery }
spec: { provider: { simulator: { points: 3, every: 15m } } }
---
apiVersion: lifeboat/v1
kind: Runbook
metadata: { name: one }
spec: { desired: [{ replicas: { names: [a, b] }, state: Failover, via: unplanned }] }
---
apiVersion: lifeboat/v1
kind: Runbook
metadata: { name: two }
spec: { desired: [{ replicas: { names: [b, c] }, state: Failover, via: unplanned }] }
---
apiVersion: lifeboat/v1
kind: Runbook
metadata: { name: moved }
spec: { desired: [{ replicas: { names: [a, b, c] }, state: Failover, via: planned }] }
";

/// A workspace.
pub struct Estate {
    folder: tempfile::TempDir,
}

impl Estate {
    /// One whose simulated time passes so many times as quick as that of the wall; with none, by itself.
    pub fn new(speed: Option<u32>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = speed.map_or("clock: virtual,".to_owned(), |s| format!("clock: {{ speed: {s} }},"));
        let mut text = DOCUMENTS.replace("CLOCK", &clock);
        for name in ["a", "b", "c"] {
            text.push_str(&format!(
                "---\napiVersion: lifeboat/v1\nkind: Replica\nmetadata: {{ name: {name} }}\nspec:\n  source: {{ site: production, vm: {name} }}\n  \
                 replica: {{ site: recovery, vm: {name}-dr }}\n  networks: [{{ from: lan, to: dr }}]\n"
            ));
        }
        std::fs::write(folder.path().join("estate.yaml"), text).unwrap();
        Self { folder }
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Another machine's folder, with the same sites and without documents.
    pub fn elsewhere(&self) -> tempfile::TempDir {
        let other = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(self.path().join(".lifeboat/sim")).unwrap();
        std::fs::create_dir(other.path().join(".lifeboat")).unwrap();
        let world = self.path().join(".lifeboat/sim");
        std::os::unix::fs::symlink(world, other.path().join(".lifeboat/sim")).unwrap();
        other
    }

    /// The effects that the simulated world knows, each with its run and step.
    pub fn effects(&self) -> Vec<String> {
        use lifeboat::provider::sim::{Setup, Simulator};
        let world = Simulator::open(&self.path().join(".lifeboat/sim"), Setup::default()).unwrap();
        world.effects().unwrap().into_iter().map(|e| e.key).filter(|k| k.contains('#')).collect()
    }
}

/// The program in a folder.
pub fn lifeboat(folder: &Path, store: &str, person: &str, words: &[&str]) -> Command {
    let mut command = bound(program::path(), false);
    command.args(words).args(["--store", store]).current_dir(folder).env_clear();
    command.env("HOME", folder).env("USER", person).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Starts it, with what it says in files, so that nothing waits for a reader.
pub fn started(folder: &Path, store: &str, person: &str, words: &[&str]) -> (Child, PathBuf) {
    let said = folder.join(format!("said-by-{person}"));
    let file = std::fs::File::create(&said).unwrap();
    let mut command = lifeboat(folder, store, person, words);
    command.stdout(file.try_clone().unwrap()).stderr(file);
    (command.spawn().unwrap(), said)
}

/// Runs it to its end.
pub fn ran(folder: &Path, store: &str, person: &str, words: &[&str]) -> Output {
    lifeboat(folder, store, person, words).output().unwrap()
}

/// All that it said.
pub fn said(output: &Output) -> String {
    [output.stdout.as_slice(), output.stderr.as_slice()].map(String::from_utf8_lossy).concat()
}

/// Waits until something is so.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
