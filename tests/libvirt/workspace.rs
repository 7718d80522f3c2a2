//! A workspace for the machines of a test, and Lifeboat run in it.

use crate::lab::Lab;
use crate::lab::run::run;
use crate::lab::site::Site;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The workspace.
pub struct Workspace {
    folder: tempfile::TempDir,
    scratch: tempfile::TempDir,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    /// Its exit code; -1 where it was killed.
    pub code: i32,
    /// Both its streams.
    pub text: String,
}

/// Lifeboat at work.
pub struct Running(Child);

impl Running {
    /// Whether it has not ended.
    pub fn runs(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// Kills it.
    pub fn killed(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Waits for its end.
    pub fn ended(self) -> Said {
        let output = self.0.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let text = text + &String::from_utf8_lossy(&output.stderr);
        Said { code: output.status.code().unwrap_or(-1), text }
    }
}

impl Said {
    /// It ended as it should.
    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n{}", self.text);
        self
    }

    /// It said this.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.text.contains(words), "it does not say {words:?}:\n{}", self.text);
        self
    }
}

/// The document of a site that is entered through its namespaces.
fn site(name: &str, site: &Site) -> String {
    let way = format!("uri: \"{}\", {}", site.uri(), site.way());
    site_reached(name, site, &way)
}

/// The document of a site that is reached this way.
pub fn site_reached(name: &str, site: &Site, way: &str) -> String {
    format!(
        "---\napiVersion: lifeboat/v1\nkind: Site\nmetadata: {{ name: {name} }}\nspec:\n  provider:\n    libvirt: {{ {way}, \
         {}, silence: 8s }}\n",
        site.data()
    )
}

impl Workspace {
    /// A workspace with these machines, one failover plan over all, and a runbook for each state.
    pub fn new(lab: &Lab, names: &[&str], ready: &str) -> Self {
        Self::with(lab, site("recovery", &lab.recovery), names, ready)
    }

    /// The same with a document of its own for the recovery site.
    pub fn with(lab: &Lab, recovery: String, names: &[&str], ready: &str) -> Self {
        let mut text = site("production", &lab.production) + &recovery;
        for name in names {
            text.push_str(&format!(
                "---\napiVersion: lifeboat/v1\nkind: Replica\nmetadata: {{ name: {name} }}\nspec:\n  source: {{ site: production, vm: {name} }}\n  \
                 replica: {{ site: recovery }}\n  retention: 4\n  networks: [{{ from: prod, to: dr }}]\n  {ready}\n"
            ));
        }
        let names: Vec<String> = names.iter().map(|n| format!("{{ replica: {n}, delay: 0s }}")).collect();
        text.push_str(&format!(
            "---\napiVersion: lifeboat/v1\nkind: FailoverPlan\nmetadata: {{ name: all }}\nspec: {{ sequence: [{}] }}\n",
            names.join(", ")
        ));
        for (name, desired) in [
            ("evacuate", "state: Failover, via: planned"),
            ("lost", "state: Failover, via: unplanned"),
            ("undo", "state: Ready, keep: source"),
            ("go-back", "state: Failback, failback: { target: original, switchover: automatic }"),
            ("stay", "state: Failover, keep: replica"),
            ("return", "state: Ready, keep: replica, failback: { target: original, switchover: automatic }"),
            ("commit", "state: Ready"),
            ("forever", "state: Permanent, irreversible: true"),
        ] {
            text.push_str(&format!(
                "---\napiVersion: lifeboat/v1\nkind: Runbook\nmetadata: {{ name: {name} }}\nspec: {{ desired: [{{ plan: all, {desired} }}] }}\n"
            ));
        }
        Self::of(&[("workspace.yaml", text)])
    }

    /// A workspace that knows the sites alone.
    pub fn sites(lab: &Lab) -> Self {
        let sites = site("production", &lab.production) + &site("recovery", &lab.recovery);
        Self::of(&[("sites.yaml", sites)])
    }

    /// The documents of `examples/libvirt/` as they stand there, with the lab's sites in the place of its own.
    pub fn example(lab: &Lab) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/libvirt");
        let file = |name| (name, std::fs::read_to_string(format!("{folder}/{name}")).unwrap());
        let sites = site("production", &lab.production) + &site("recovery", &lab.recovery);
        Self::of(&[("sites.yaml", sites), file("shop.yaml"), file("runbooks.yaml")])
    }

    /// A workspace of these files.
    pub fn of(files: &[(&str, String)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self { folder, scratch: tempfile::tempdir().unwrap() }
    }

    /// A file of it.
    pub fn path(&self, file: &str) -> std::path::PathBuf {
        self.folder.path().join(file)
    }

    /// Adds a runbook with one desired state.
    pub fn runbook(&self, name: &str, desired: &str) {
        let text = format!(
            "apiVersion: lifeboat/v1\nkind: Runbook\nmetadata: {{ name: {name} }}\nspec: {{ desired: [{desired}] }}\n"
        );
        std::fs::write(self.folder.path().join(format!("{name}.yaml")), text).unwrap();
    }

    /// Changes a word in a file, as a person would in an editor.
    #[track_caller]
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.folder.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} does not say {from:?}");
        std::fs::write(&path, text.replace(from, to)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        command.arg("-C").arg(self.folder.path()).args(arguments).stdin(Stdio::null());
        command.env("TMPDIR", self.scratch.path());
        command
    }

    /// What Lifeboat left among its temporary files.
    pub fn left_behind(&self) -> usize {
        std::fs::read_dir(self.scratch.path()).unwrap().count()
    }

    /// Starts Lifeboat and goes on.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let child = self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Running(child)
    }

    /// Runs Lifeboat.
    pub fn lifeboat(&self, arguments: &[&str]) -> Said {
        self.start(arguments).ended()
    }

    /// Carries a runbook out.
    #[track_caller]
    pub fn apply(&self, runbook: &str) -> Said {
        self.lifeboat(&["apply", runbook, "--confirm", runbook, "--steps"]).ends(0)
    }

    /// Makes a restore point of every machine.
    #[track_caller]
    pub fn replicate(&self) {
        self.lifeboat(&["replicate", "--all"]).ends(0);
    }

    /// Runs Lifeboat and kills it so long after its n-th step is written down; whether it came so far.
    pub fn kill_at(&self, arguments: &[&str], step: usize, after: Duration) -> bool {
        let runs = || -> BTreeSet<PathBuf> {
            let found = std::fs::read_dir(self.path(".lifeboat/runs")).into_iter().flatten().flatten();
            found.map(|entry| entry.path().join("journal.jsonl")).collect()
        };
        let before = runs();
        let begun = || {
            let text = runs().difference(&before).find_map(|journal| std::fs::read_to_string(journal).ok());
            text.is_some_and(|t| t.matches("\"type\":\"intended\"").count() > step)
        };
        let mut child = self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut reached = false;
        while !reached && child.try_wait().unwrap().is_none() {
            reached = begun();
            std::thread::sleep(Duration::from_millis(1));
        }
        if reached {
            std::thread::sleep(after);
        }
        // It may have ended by itself.
        drop(child.kill());
        reached & !child.wait().unwrap().success()
    }

    /// What a command says to a machine.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let said = self.lifeboat(&[arguments, &["--format", "json"]].concat()).ends(0);
        serde_json::from_str(&said.text).unwrap_or_else(|e| panic!("{e}: {}", said.text))
    }

    /// A replica, as `status` tells it.
    #[track_caller]
    pub fn status(&self, name: &str) -> serde_json::Value {
        let json = self.json(&["status"]);
        let replicas = json["replicas"].as_array().unwrap();
        let found = replicas.iter().find(|r| r["replica"] == name);
        found.unwrap_or_else(|| panic!("{json}")).clone()
    }

    /// The state of a replica.
    #[track_caller]
    pub fn state(&self, name: &str) -> String {
        self.status(name)["condition"]["text"].as_str().unwrap_or("?").to_owned()
    }

    /// The moments of a replica's restore points, oldest first, in seconds since 1970.
    #[track_caller]
    pub fn moments(&self, name: &str) -> Vec<u64> {
        let points = self.status(name)["points"].as_array().cloned().unwrap_or_default();
        let seconds = |at: &str| run(&["date", "-u", "-d", at, "+%s"]).unwrap().trim().parse().unwrap();
        points.iter().map(|p| seconds(p["at"].as_str().unwrap())).collect()
    }

    /// The restore points of a replica, oldest first.
    #[track_caller]
    pub fn points(&self, name: &str) -> Vec<String> {
        let said = self.lifeboat(&["status", name]).ends(0);
        let lines = said.text.lines().skip_while(|l| !l.starts_with("Restore points"));
        // Behind an empty line it is told what else there is.
        let lines = lines.take_while(|l| !l.is_empty());
        let words = lines.filter_map(|l| l.strip_prefix("  ")).filter_map(|l| l.split_whitespace().next());
        words.map(str::to_owned).collect()
    }
}
