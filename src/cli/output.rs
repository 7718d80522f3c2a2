//! Results on standard output; progress, questions and findings on standard error.

use super::args::{Approve, Args, Color, Command, Format};
use crate::app::{Answer, Exit, Screen, Words};
use crate::report::diagnostic::{self, Style};
use crate::report::text::Options;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::io::{BufRead, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use terminal_size::terminal_size_of;

/// Sentences are not longer than this, however wide the terminal.
const WIDTH: usize = 100;
/// A terminal that says that it is narrower than this is not believed.
const NARROWEST: usize = 40;

fn columns(size: Option<(terminal_size::Width, terminal_size::Height)>) -> Option<usize> {
    size.map(|(columns, _)| usize::from(columns.0).max(NARROWEST))
}

/// How the streams are used.
#[derive(Debug, Clone)]
pub struct Output {
    format: Format,
    quiet: bool,
    style: Style,
    /// How many columns standard output has, where it is a terminal.
    room: Option<usize>,
    live: bool,
    asks: bool,
}

impl Output {
    /// Each stream is asked by itself whether it is a terminal.
    pub fn new(args: &Args) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let dumb = super::environment("TERM").is_some_and(|t| t == "dumb");
        let color = match args.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !dumb && super::environment("NO_COLOR").is_none(),
        };
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(super::environment);
        let unicode =
            locale.is_none_or(|l| l.to_ascii_lowercase().replace('-', "").contains("utf8") || l == "C");
        Self {
            format: args.format,
            quiet: args.quiet,
            style: Style {
                width: columns(terminal_size_of(std::io::stderr())).unwrap_or(WIDTH).min(WIDTH),
                color,
                unicode,
            },
            room: columns(terminal_size_of(std::io::stdout())),
            live: terminal && !dumb && !args.quiet && args.format == Format::Human,
            asks: terminal && std::io::stdin().is_terminal(),
        }
    }

    /// Whether a machine reads standard output.
    pub fn machine(&self) -> bool {
        self.format != Format::Human
    }

    /// How views are shown.
    pub fn view(&self, args: &Args) -> Options {
        let (all, steps) = match &args.command {
            Command::Plan { all, steps, .. } | Command::Approve(Approve { all, steps, .. }) => (*all, *steps),
            Command::Rehearse { all, .. } => (*all, false),
            Command::Report { steps, .. } => (false, *steps),
            Command::Drill(drill) => (false, drill.steps && drill.dry_run),
            Command::Apply { all, .. } => (*all, false),
            _ => (false, false),
        };
        let width = self.room.unwrap_or(WIDTH).min(WIDTH);
        Options { width, room: self.room, unicode: self.style.unicode, all, steps, ..Options::default() }
    }

    /// Says a command's answer; returns what the process ends with.
    pub fn answer(&self, answer: &Answer) -> u8 {
        let Err(error) = self.say(answer) else { return answer.exit as u8 };
        err(&format!("error: standard output cannot be written: {error}\n"));
        // How a run ended counts for more than that its report is lost: `lifeboat report latest` says it again.
        if answer.exit == Exit::Ok { Exit::Io as u8 } else { answer.exit as u8 }
    }

    fn say(&self, answer: &Answer) -> std::io::Result<()> {
        match self.format {
            Format::Human => {
                let findings = diagnostic::render(&answer.findings, &answer.sources, self.style);
                err(&findings);
                out(&answer.human)
            }
            Format::Json | Format::Jsonl => {
                let mut whole = match &answer.json {
                    Value::Object(map) => map.clone(),
                    other => serde_json::Map::from_iter([("result".to_owned(), other.clone())]),
                };
                let exit = json!({ "code": answer.exit as u8, "reason": answer.exit.reason() });
                whole.insert("exit".to_owned(), exit);
                whole.insert("findings".to_owned(), diagnostic::json(&answer.findings, &answer.sources));
                let text = if self.format == Format::Json {
                    serde_json::to_string_pretty(&whole)
                } else {
                    serde_json::to_string(&whole)
                };
                out(&(text.unwrap_or_default() + "\n"))
            }
        }
    }
}

/// A closed pipe (`| head`) is no error of ours.
fn out(text: &str) -> std::io::Result<()> {
    let mut stream = std::io::stdout().lock();
    match stream.write_all(text.as_bytes()).and_then(|()| stream.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        said => said,
    }
}

fn err(text: &str) {
    drop(std::io::stderr().lock().write_all(text.as_bytes()));
}

/// The person at the terminal, or the log that stands in for one.
pub struct Terminal {
    output: Output,
    bar: Option<ProgressBar>,
    words: Arc<Mutex<Option<Words>>>,
}

impl Terminal {
    /// A terminal.
    pub fn new(output: &Output) -> Self {
        Self { output: output.clone(), bar: None, words: Arc::default() }
    }

    fn bar(&mut self) -> Option<&ProgressBar> {
        if !self.output.live {
            return None;
        }
        let words = Arc::clone(&self.words);
        Some(self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
                bar.set_style(style);
            }
            let drawn = bar.clone();
            std::thread::spawn(move || keep_drawing(&drawn, &words));
            bar
        }))
    }
}

/// The words change with time alone, so they are asked for again and again: once a second, and when there are others.
fn keep_drawing(bar: &ProgressBar, words: &Mutex<Option<Words>>) {
    let mut said: Option<(Words, std::time::Duration)> = None;
    while !bar.is_finished() {
        let now = words.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let same = |(words, at): &(Words, std::time::Duration), now: &Words| {
            Arc::ptr_eq(words, now) && bar.elapsed() < *at + std::time::Duration::from_secs(1)
        };
        if let Some(now) = now.filter(|now| said.as_ref().is_none_or(|said| !same(said, now))) {
            bar.set_message(now());
            said = Some((now, bar.elapsed()));
        }
        bar.tick();
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

impl Screen for Terminal {
    fn line(&mut self, text: &str) {
        if self.output.quiet || self.output.format != Format::Human {
            return;
        }
        match self.bar() {
            Some(bar) => bar.println(text),
            None => err(&format!("{text}\n")),
        }
    }

    fn progress(&mut self, text: &str) {
        if !self.output.live {
            self.line(text);
        }
    }

    fn tally(&mut self, words: Option<Words>) {
        let ended = words.is_none();
        *self.words.lock().unwrap_or_else(PoisonError::into_inner) = words;
        if ended {
            if let Some(bar) = self.bar.take() {
                bar.finish_and_clear();
            }
        } else {
            self.bar();
        }
    }

    fn event(&mut self, event: &Value) {
        if self.output.format == Format::Jsonl {
            // The run goes on; the answer at its end says that nobody could hear it.
            drop(out(&format!("{}\n", json!({ "format": 1, "type": "event", "event": event }))));
        }
    }

    fn show(&mut self, text: &str) {
        if !self.output.quiet && self.output.format == Format::Human {
            err(&format!("{text}\n"));
        }
    }

    fn ask(&mut self, question: &str) -> Option<String> {
        if !self.output.asks {
            return None;
        }
        err(question);
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).ok().filter(|n| *n > 0).map(|_| line)
    }

    fn hears(&mut self) -> Option<tokio::sync::broadcast::Sender<String>> {
        if !self.output.asks {
            return None;
        }
        let (sender, _) = tokio::sync::broadcast::channel(16);
        let typed = sender.clone();
        // The thread waits for a line until the process ends.
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                // Where nothing is asked, nobody listens.
                drop(typed.send(line));
            }
        });
        Some(sender)
    }
}
