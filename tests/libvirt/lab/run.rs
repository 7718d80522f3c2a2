//! Commands of the host: argument lists, checked exits, their words in the error.

use std::process::{Command, Stdio};

/// Runs a command and returns what it says.
///
/// # Errors
/// It cannot be started, or it fails; with its own words.
pub fn run<S: AsRef<str>>(argv: &[S]) -> Result<String, String> {
    run_with(argv, None)
}

/// The same, with a text on its standard input.
///
/// # Errors
/// As [`run`].
pub fn run_with<S: AsRef<str>>(argv: &[S], input: Option<&str>) -> Result<String, String> {
    use std::io::Write;
    let words: Vec<&str> = argv.iter().map(AsRef::as_ref).collect();
    let (program, arguments) = words.split_first().ok_or("no command")?;
    let said = |what: String| format!("{}: {what}", words.join(" "));
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| said(e.to_string()))?;
    if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
        stdin.write_all(text.as_bytes()).map_err(|e| said(e.to_string()))?;
    }
    let output = child.wait_with_output().map_err(|e| said(e.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(said(format!("{}, {}", output.status, String::from_utf8_lossy(&output.stderr).trim())))
}

/// Asks again until there is an answer, for at most so many seconds.
///
/// # Errors
/// What was waited for did not happen.
pub fn until<T>(what: &str, seconds: u32, mut ask: impl FnMut() -> Option<T>) -> Result<T, String> {
    for _ in 0..seconds.saturating_mul(20) {
        if let Some(answer) = ask() {
            return Ok(answer);
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    Err(format!("{what}: not within {seconds} s"))
}
