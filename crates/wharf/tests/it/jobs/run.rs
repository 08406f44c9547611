//! `wharf run`.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Stdio};

use wharf_testkit::http::{Connection, Request, Response, delete, post, put};
use wharf_testkit::protobuf::{self, Message, Type, delimited};
use wharf_testkit::{Process, body, peers, until};

use super::stub::{Answer, Stub};
use super::{ends_with, found, nobody, output, output_with, run_at, stderr, url, value};
use crate::rules::with_rules;
use crate::{gateways, wharf};

/// A run that has told its push URL, and goes on until it is told to end.
struct OpenRun {
    child: Child,
    address: SocketAddr,
    /// The path of the push URL, without the slash before it.
    path: String,
}

impl OpenRun {
    fn start(gateway: &str, script: &str) -> Self {
        Self::start_with(gateway, &[], script)
    }

    fn start_with(gateway: &str, flags: &[&str], script: &str) -> Self {
        let script = format!("{script}; echo \"$WHARF_PUSH_URL\"; read line");
        let job = [flags, &["sh", "-c", &script]].concat();
        let mut command = run_at(gateway, &job);
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        let mut told = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut told)
            .unwrap();
        let (address, path) = told
            .trim()
            .strip_prefix("http://")
            .unwrap()
            .split_once('/')
            .unwrap();
        Self {
            child,
            address: address.parse().unwrap(),
            path: path.to_owned(),
        }
    }

    fn send(&self, request: &Request) -> Response {
        Connection::open(self.address).unwrap().send(request).unwrap()
    }

    fn end(&mut self) {
        self.child.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn a_run_is_told_with_times_code_and_use() {
    for spawn in gateways() {
        let gateway = spawn.start();
        let job = [
            "--label",
            "instance=i",
            "--",
            "sh",
            "-c",
            "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done",
        ];
        ends_with(0, &output(run_at(&url(gateway.address()), &job)));
        let scrape = gateway.scrape();
        let of =
            |name: &str| found(&scrape, &format!("job_run_{name}")).unwrap_or_else(|| panic!("no {name}"));
        let (start, end) = (of("start_timestamp_seconds"), of("end_timestamp_seconds"));
        assert!(start > 1.7e9 && end >= start, "{start} {end}");
        assert!(of("duration_seconds") > 0.0);
        assert_eq!(
            (of("exit_code"), of("success"), of("timed_out"), of("running")),
            (0.0, 1.0, 0.0, 0.0)
        );
        assert_eq!(of("last_success_timestamp_seconds"), end);
        assert!(of("max_resident_memory_bytes") > 100_000.0);
        assert!(of("storage_read_bytes") >= 0.0 && of("storage_written_bytes") >= 0.0);
        let cpu = scrape
            .samples
            .iter()
            .filter(|sample| sample.name == "job_run_cpu_seconds");
        assert!(cpu.map(wharf_testkit::Sample::number).sum::<f64>() > 0.0);
        let sample = scrape
            .samples
            .iter()
            .find(|sample| sample.name == "job_run_success")
            .unwrap();
        assert_eq!(
            (sample.labels["job"].as_str(), sample.labels["instance"].as_str()),
            ("j", "i")
        );
        for family in scrape
            .families
            .iter()
            .filter(|(name, _)| name.starts_with("job_run_"))
        {
            assert_eq!(family.1.metric_type, "gauge");
            assert!(family.1.help.is_some(), "{family:?}");
        }
    }
}

#[test]
fn the_last_success_survives_a_failure() {
    for spawn in gateways() {
        let gateway = spawn.start();
        let url = url(gateway.address());
        ends_with(0, &output(run_at(&url, &["true"])));
        let success = value(&gateway, "job_run_last_success_timestamp_seconds");
        ends_with(3, &output(run_at(&url, &["sh", "-c", "exit 3"])));
        assert_eq!(value(&gateway, "job_run_last_success_timestamp_seconds"), success);
        assert_eq!(value(&gateway, "job_run_exit_code"), 3.0);
        assert_eq!(value(&gateway, "job_run_success"), 0.0);
        assert!(value(&gateway, "job_run_end_timestamp_seconds") > success);
    }
}

#[test]
fn the_exit_code_is_that_of_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let not_executable = folder.path().join("file");
    fs::write(&not_executable, "").unwrap();
    fs::set_permissions(&not_executable, fs::Permissions::from_mode(0o600)).unwrap();
    let cases: [(i32, &[&str]); 6] = [
        (0, &["true"]),
        (255, &["sh", "-c", "exit 255"]),
        (128 + 9, &["sh", "-c", "kill -9 $$"]),
        (128 + 15, &["sh", "-c", "kill $$"]),
        (127, &["/nowhere/command"]),
        (126, &[not_executable.to_str().unwrap()]),
    ];
    for (code, command) in cases {
        let stub = Stub::start(vec![Answer::Head("200 OK")]);
        ends_with(code, &output(run_at(&stub.url, command)));
        let asked = stub.asked();
        assert!(
            asked.contains(&format!("\njob_run_exit_code {code}\n")),
            "{asked}"
        );
    }
}

#[test]
fn a_mistake_on_the_command_line_ends_with_125_and_runs_nothing() {
    for flags in [
        &["--timeout", "0", "touch"][..],
        &["--nonsense", "touch"],
        &["--prefix", "1-", "touch"],
        &[],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("touched");
        let mut command = run_at(&nobody(), flags);
        if !flags.is_empty() {
            command.arg(&file);
        }
        ends_with(125, &output(command));
        assert!(!file.exists());
    }
}

#[test]
fn flags_behind_the_command_are_those_of_the_command() {
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    let output = output(run_at(&stub.url, &["echo", "--job", "x", "--help", "--", "y"]));
    ends_with(0, &output);
    assert_eq!(output.stdout, b"--job x --help -- y\n");
}

#[test]
fn streams_pass_untouched_however_long_they_are() {
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    let input: Vec<u8> = (0..5_000_000_u32).map(|number| (number % 251) as u8).collect();
    let output = output_with(run_at(&stub.url, &["sh", "-c", "tee /dev/stderr"]), &input);
    ends_with(0, &output);
    assert!(output.stdout == input && output.stderr == input);
}

#[test]
fn a_gateway_that_is_unwell_changes_nothing_for_the_job() {
    let quick = ["--retry-for=0", "--request-timeout=100ms"];
    for answer in [
        Answer::Head("400 Bad Request"),
        Answer::Head("401 Unauthorized"),
        Answer::Head("503 Service Unavailable\r\nRetry-After: 1"),
        Answer::Silence,
    ] {
        let stub = Stub::start(vec![answer]);
        let told = output(run_at(
            &stub.url,
            &[&quick[..], &["sh", "-c", "echo out; exit 7"]].concat(),
        ));
        ends_with(7, &told);
        assert_eq!(told.stdout, b"out\n");
        assert!(
            stderr(&told).contains("wharf run: push lost: "),
            "{}",
            stderr(&told)
        );
    }
    let quiet = output(run_at(
        &nobody(),
        &[&quick[..], &["--quiet", "sh", "-c", "exit 7"]].concat(),
    ));
    ends_with(7, &quiet);
    assert_eq!(stderr(&quiet), "");
}

#[test]
fn a_mistake_in_the_settings_does_not_keep_the_job_from_running() {
    let mut command = run_at(&nobody(), &["sh", "-c", "echo out; exit 7"]);
    command.env("WHARF_TIMEOUT", "soon");
    let output = output(command);
    ends_with(7, &output);
    assert_eq!(output.stdout, b"out\n");
    let said = stderr(&output);
    assert!(
        said.contains("nothing will be pushed: WHARF_TIMEOUT: expected a duration"),
        "{said}"
    );
}

#[test]
fn a_run_is_told_although_the_gateway_was_busy_for_a_while() {
    let stub = Stub::start(vec![
        Answer::Head("503 Service Unavailable\r\nRetry-After: 0"),
        Answer::Head("504 Gateway Timeout"),
        Answer::Head("200 OK"),
    ]);
    ends_with(0, &output(run_at(&stub.url, &["true"])));
    for _ in 0..3 {
        assert!(stub.asked().contains("\njob_run_success 1\n"));
    }
}

/// A job that says when it is there, with its standard output.
fn started(url: &str, arguments: &[&str]) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut command = run_at(url, arguments);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "there\n");
    (child, stdout)
}

fn signal(child: &Child, name: &str) {
    let status = std::process::Command::new("sh")
        .args(["-c", &format!("kill -{name} {}", child.id())])
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn signals_reach_the_command() {
    for (name, number) in [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("USR1", 10),
        ("USR2", 12),
        ("TERM", 15),
    ] {
        let stub = Stub::start(vec![Answer::Head("200 OK")]);
        let script = format!("trap 'echo got; exit 7' {name}; echo there; while :; do sleep 0.01; done");
        let (mut child, mut stdout) = started(&stub.url, &["sh", "-c", &script]);
        signal(&child, name);
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(
            (child.wait().unwrap().code(), rest.as_str()),
            (Some(7), "got\n"),
            "{name}"
        );

        let (mut child, _stdout) = started(
            &stub.url,
            &["sh", "-c", "echo there; while :; do sleep 0.01; done"],
        );
        signal(&child, name);
        let status = child.wait().unwrap();
        assert_eq!(
            (status.code(), status.signal()),
            (Some(128 + number), None),
            "{name}"
        );
    }
}

/// A folder with an executable file of that content, called `job`.
fn executable(content: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("job");
    fs::write(&file, content).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

#[test]
fn a_script_without_an_interpreter_runs_as_under_nohup_and_timeout() {
    let gateway = wharf().start();
    let url = url(gateway.address());
    let scripts: [&[u8]; 4] = [
        b"echo \"$0|$1|$2\"; exit 3\n",
        b"# a comment first\n\ntest -n \"$WHARF_METRICS_FILE\" -o \"$2\" = 'a  b' && echo \"$#\"",
        b"",
        // What is behind the first line may be anything: archives that unpack themselves are made like this.
        b"exit 4\n\x7fELF\x00\x00",
    ];
    for script in scripts {
        let folder = executable(script);
        let file = folder.path().join("job");
        let arguments = [file.to_str().unwrap(), "-x", "a  b"];
        for (wrapper, flags) in [
            (&["nohup"][..], &["--"][..]),
            (&["timeout", "10"], &["--timeout=10s", "--"]),
        ] {
            let mut command = std::process::Command::new(wrapper[0]);
            command.args(&wrapper[1..]).args(arguments);
            let expected = output_with(command, b"");
            let run = output_with(run_at(&url, &[flags, &arguments].concat()), b"");
            assert_eq!(
                (run.status.code(), &run.stdout),
                (expected.status.code(), &expected.stdout),
                "{wrapper:?}: {script:?}: {}",
                stderr(&run)
            );
            let pushed = value(&gateway, "job_run_exit_code");
            assert_eq!(Some(pushed), expected.status.code().map(f64::from));
        }
    }
}

#[test]
fn a_script_without_an_interpreter_is_found_in_the_path() {
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    let folder = executable(b"echo \"found $1\"\n");
    let elsewhere = tempfile::tempdir().unwrap();
    // A folder of that name is passed over, and so is a file that may not be executed.
    fs::create_dir(elsewhere.path().join("job")).unwrap();
    let path = format!("{}:{}", elsewhere.path().display(), folder.path().display());
    let system = "/usr/bin:/bin";
    for path in [format!("{path}:{system}"), format!(":{system}")] {
        let mut command = run_at(&stub.url, &["--", "job", "it"]);
        command.env("PATH", path).current_dir(folder.path());
        let output = output(command);
        ends_with(0, &output);
        assert_eq!(output.stdout, b"found it\n");
    }
}

#[test]
fn what_is_neither_a_program_for_this_machine_nor_a_script_does_not_get_to_a_shell() {
    let contents: [(&[u8], i32); 4] = [
        // The head of a program for another machine, whose second line a shell could run.
        (
            b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xff\xff\x01\0\0\0\necho ran\n",
            126,
        ),
        (b"MZ\x90\0\x03\0\0\0\necho ran\n", 126),
        // UTF-16, as some editors write it.
        (b"e\0c\0h\0o\0 \0r\0a\0n\0\n\0", 126),
        (b"#!/nowhere/sh\r\necho ran\n", 127),
    ];
    for (content, code) in contents {
        let stub = Stub::start(vec![Answer::Head("200 OK")]);
        let folder = executable(content);
        let file = folder.path().join("job");
        let output = output(run_at(&stub.url, &["--", file.to_str().unwrap()]));
        ends_with(code, &output);
        assert_eq!(output.stdout, b"");
        let said = stderr(&output);
        let hint = if code == 126 {
            "hint: it is neither a program for this machine nor a script"
        } else {
            "hint: the interpreter of its first line, `/nowhere/sh\\r`, is missing"
        };
        assert!(said.contains(hint), "{said}");
        // The same code as a shell has for it, and the gateway is told.
        let mut shell = std::process::Command::new("bash");
        shell.args(["-c", file.to_str().unwrap()]);
        assert_eq!(super::output(shell).status.code(), Some(code));
        assert!(stub.asked().contains(&format!("\njob_run_exit_code {code}\n")));
    }
}

#[test]
fn a_key_on_the_terminal_reaches_the_command_once() {
    let Some(python) = peers::python() else {
        return;
    };
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("terminal.py");
    fs::write(&script, include_str!("terminal.py")).unwrap();
    // Two in a row would count as two: the second one comes while the trap waits.
    let job = "n=0; trap 'n=$((n+1)); sleep 0.2' INT; echo there; \
               i=0; while [ $i -lt 10 ]; do sleep 0.1; i=$((i+1)); done; test -t 0 && echo times=$n; exit 5";
    let mut command = std::process::Command::new(python);
    command.arg(script).arg(crate::WHARF);
    command.args(["run", "--job", "j", "--gateway", &stub.url, "sh", "-c", job]);
    let output = output(command);
    ends_with(5, &output);
    let seen = String::from_utf8_lossy(&output.stdout);
    assert!(seen.contains("times=1"), "{seen}");
}

#[test]
fn a_signal_that_is_ignored_stays_ignored_for_the_command() {
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    let script = "echo there; kill -HUP $$; exit 7";
    let mut command = std::process::Command::new("sh");
    let run = ["run", "--job", "j", "--gateway", &stub.url, "sh", "-c", script];
    command
        .args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", crate::WHARF])
        .args(run);
    ends_with(7, &output(command));
}

#[test]
fn a_parent_that_ignores_the_end_of_children_does_not_hide_the_exit_code() {
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    let run = ["run", "--job", "j", "--gateway", &stub.url, "sh", "-c", "exit 7"];
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", "trap '' CHLD; exec \"$0\" \"$@\"", crate::WHARF])
        .args(run);
    ends_with(7, &output(command));
    assert!(stub.asked().contains("\njob_run_exit_code 7\n"));
}

#[test]
fn a_command_that_takes_too_long_is_ended_with_all_that_it_started() {
    for spawn in gateways() {
        let gateway = spawn.start();
        // The shell waits for a child that holds its output open.
        let job = ["--timeout=200ms", "sh", "-c", "sleep 1000; true"];
        ends_with(128 + 15, &output(run_at(&url(gateway.address()), &job)));
        assert_eq!(value(&gateway, "job_run_timed_out"), 1.0);
        assert_eq!(value(&gateway, "job_run_success"), 0.0);
    }
}

#[test]
fn a_command_leads_a_process_group_only_if_its_time_is_limited() {
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    for (flags, leads) in [(&[][..], false), (&["--timeout=1h"], true)] {
        let script = ["sh", "-c", "cut -d ' ' -f 5 /proc/$$/stat; echo $$"];
        let output = output(run_at(&stub.url, &[flags, &script].concat()));
        ends_with(0, &output);
        let numbers = String::from_utf8(output.stdout).unwrap();
        let (group, process) = numbers.trim().split_once('\n').unwrap();
        assert_eq!(group == process, leads);
    }
}

#[test]
fn a_command_that_does_not_want_to_end_is_killed() {
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    let job = [
        "--timeout=100ms",
        "--kill-after=100ms",
        "sh",
        "-c",
        "trap '' TERM; while :; do sleep 0.01; done",
    ];
    ends_with(128 + 9, &output(run_at(&stub.url, &job)));
    assert!(stub.asked().contains("\njob_run_timed_out 1\n"));
}

/// A program for the background of a job that does not want to end: it says its process id in the file `pids`, and goes on
/// for some seconds.
const STUBBORN: &str =
    "trap '' TERM HUP; echo $$ >> pids; i=0; while [ $i -lt 1000 ]; do sleep 0.02; i=$((i+1)); done";

/// The processes of the file `pids`, and those among them that live.
fn told_and_living(folder: &Path) -> (usize, Vec<String>) {
    let pids = fs::read_to_string(folder.join("pids")).unwrap();
    let lives = |pid: &&str| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ")
            .is_some_and(|(_, state)| !state.starts_with('Z'))
    };
    (
        pids.lines().count(),
        pids.lines().filter(lives).map(str::to_owned).collect(),
    )
}

#[test]
fn what_runs_in_the_background_ends_with_the_time_of_the_command() {
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    let folder = tempfile::tempdir().unwrap();
    // In the group of the command, in a session of its own, and without a parent as well.
    let script = "sh -c \"$STUBBORN\" & setsid sh -c \"$STUBBORN\" & (setsid sh -c \"$STUBBORN\" &); wait";
    for (script, code) in [
        (script.to_owned(), 128 + 15),
        (format!("trap '' TERM; {script}; wait; sleep 1000"), 128 + 9),
    ] {
        let flags = ["--timeout=2s", "--kill-after=100ms", "sh", "-c", &script];
        let mut command = run_at(&stub.url, &flags);
        command.env("STUBBORN", STUBBORN).current_dir(folder.path());
        ends_with(code, &output(command));
        assert_eq!(told_and_living(folder.path()), (3, Vec::new()));
        assert!(stub.asked().contains("\njob_run_timed_out 1\n"));
        fs::remove_file(folder.path().join("pids")).unwrap();
    }
}

#[test]
fn what_runs_in_the_background_may_end_in_its_own_way() {
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    let child = "trap 'echo ended; exit' TERM; i=0; while [ $i -lt 1000 ]; do sleep 0.02; i=$((i+1)); done; echo survived";
    let script = "setsid sh -c \"$CHILD\" & wait";
    let mut command = run_at(
        &stub.url,
        &["--timeout=2s", "--kill-after=1h", "sh", "-c", script],
    );
    command.env("CHILD", child);
    let output = output(command);
    ends_with(128 + 15, &output);
    assert_eq!(output.stdout, b"ended\n");
}

#[test]
fn on_a_terminal_the_background_ends_too() {
    let Some(python) = peers::python() else {
        return;
    };
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    let folder = tempfile::tempdir().unwrap();
    let terminal = folder.path().join("terminal.py");
    fs::write(&terminal, include_str!("terminal.py")).unwrap();
    let script = "sh -c \"$STUBBORN\" & (sh -c \"$STUBBORN\" &); wait";
    let mut command = std::process::Command::new(python);
    command.arg(terminal).arg(crate::WHARF);
    command.args([
        "run",
        "--job=j",
        "--gateway",
        &stub.url,
        "--timeout=2s",
        "--kill-after=100ms",
    ]);
    command.args(["sh", "-c", script]);
    command.env("STUBBORN", STUBBORN).current_dir(folder.path());
    ends_with(128 + 15, &output(command));
    assert_eq!(told_and_living(folder.path()), (2, Vec::new()));
}

#[test]
fn what_a_command_leaves_in_the_background_within_its_time_stays() {
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    let script = "(setsid sh -c 'while [ ! -e go ]; do sleep 0.01; done; echo stayed' &); exit 3";
    let folder = tempfile::tempdir().unwrap();
    let mut command = run_at(&stub.url, &["--timeout=1h", "sh", "-c", script]);
    command.current_dir(folder.path());
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    fs::write(folder.path().join("go"), "").unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "stayed\n");
}

#[test]
fn processes_that_lost_their_parents_do_not_pile_up() {
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    // Those that have ended and were not waited for; this process would have to.
    let script = "for i in 1 2 3 4 5 6 7 8; do (sleep 0 &); done; n=1; i=0; \
                  while [ $n -gt 0 ] && [ $i -lt 200 ]; do sleep 0.02; i=$((i+1)); \
                  n=$(cat /proc/[0-9]*/stat 2> /dev/null | grep -c \") Z $PPID \"); done; echo $n";
    let output = output(run_at(&stub.url, &["--timeout=1h", "sh", "-c", script]));
    ends_with(0, &output);
    assert_eq!(output.stdout, b"0\n");
}

#[test]
fn a_heartbeat_is_seen_while_the_command_runs() {
    for spawn in gateways() {
        let gateway = spawn.start();
        let flags = ["--heartbeat=20ms", "sh", "-c", "echo there; read line; exit 0"];
        let mut command = run_at(&url(gateway.address()), &flags);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let first = until("a heartbeat", || {
            found(&gateway.scrape(), "job_run_heartbeat_timestamp_seconds")
        });
        assert_eq!(value(&gateway, "job_run_running"), 1.0);
        assert!(value(&gateway, "job_run_start_timestamp_seconds") <= first);
        until("a later one", || {
            (value(&gateway, "job_run_heartbeat_timestamp_seconds") > first).then_some(())
        });
        assert_eq!(found(&gateway.scrape(), "job_run_exit_code"), None);
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert_eq!(value(&gateway, "job_run_running"), 0.0);
        assert_eq!(value(&gateway, "job_run_exit_code"), 0.0);
    }
}

#[test]
fn what_a_command_has_counted_goes_with_its_heartbeats_but_where_a_rule_adds_it_up() {
    let (_folder, adding) = with_rules("aggregate:\n- match: '{}'\n");
    for (spawn, is_added_up) in [(wharf(), false), (adding, true)] {
        let gateway = spawn.start();
        let mut run = OpenRun::start_with(&url(gateway.address()), &["--heartbeat=20ms"], "true");
        let counted = post(&format!("/{}", run.path)).body("# TYPE rows counter\nrows 7\n");
        assert_eq!(run.send(&counted).status, 200);
        for _ in 0..3 {
            let last = found(&gateway.scrape(), "job_run_heartbeat_timestamp_seconds").unwrap_or(0.0);
            until("another heartbeat", || {
                let now = found(&gateway.scrape(), "job_run_heartbeat_timestamp_seconds");
                now.filter(|now| *now > last)
            });
        }
        if is_added_up {
            assert_eq!(found(&gateway.scrape(), "rows"), None);
        } else {
            until("a heartbeat with it", || found(&gateway.scrape(), "rows"));
        }
        run.end();
        assert_eq!(value(&gateway, "rows"), 7.0);
    }
}

#[test]
fn metrics_of_the_command_come_from_a_file_and_a_url() {
    for spawn in gateways() {
        let gateway = spawn.start();
        let script = "printf 'rows 7\\nboth 1' > \"$WHARF_METRICS_FILE\"";
        let mut run = OpenRun::start(&url(gateway.address()), script);
        let send = |request| run.send(&request);
        let path = &run.path;
        let route = format!("/{path}/metrics/job/other/instance/other");

        assert_eq!(send(put(&route).body("gone 1\n")).status, 200);
        assert_eq!(
            send(put(&format!("/{path}")).body("pushed 1\nboth 2\n")).status,
            200
        );
        assert_eq!(send(post(&route).chunked(&["added ", "1\n"])).status, 200);
        assert_eq!(send(post(&route).body("added x\n")).status, 400);
        assert_eq!(send(post("/metrics/job/j").body("stranger 1\n")).status, 404);
        assert_eq!(send(wharf_testkit::http::get(&route)).status, 405);
        let family = protobuf::family("binary", Type::Gauge, &[protobuf::gauge(Message::new(), 5.0)]);
        let binary = post(&route)
            .header("Content-Type", protobuf::CONTENT_TYPE)
            .header("Content-Encoding", "gzip")
            .body(body::gzip(&delimited(&[family])));
        assert_eq!(send(binary).status, 200);
        let bomb = post(&route)
            .header("Content-Encoding", "gzip")
            .body(body::gzip(&vec![b'\n'; 17_000_000]));
        assert_eq!(send(bomb).status, 413);
        // Whatever a gateway takes is taken.
        let zstd = post(&route)
            .header("Content-Encoding", "zstd")
            .body(body::zstd(b"packed 6\n"));
        assert_eq!(send(zstd).status, 200);
        let snappy = post(&route).header("Content-Encoding", "snappy").body("x");
        assert_eq!(send(snappy).status, 400);

        run.end();
        let scrape = gateway.scrape();
        let values = [
            "rows", "both", "pushed", "added", "binary", "packed", "gone", "stranger",
        ]
        .map(|name| found(&scrape, name));
        assert_eq!(
            values,
            [
                Some(7.0),
                Some(1.0),
                Some(1.0),
                Some(1.0),
                Some(5.0),
                Some(6.0),
                None,
                None
            ]
        );
        assert_eq!(found(&scrape, "job_run_metrics_accepted"), Some(1.0));
        let rows = scrape
            .samples
            .iter()
            .find(|sample| sample.name == "added")
            .unwrap();
        assert_eq!(rows.labels["job"], "j");
    }
}

#[test]
fn what_was_pushed_to_the_url_can_be_deleted_again() {
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    let mut run = OpenRun::start(&stub.url, ":");
    let route = format!("/{}/metrics/job/x", run.path);
    assert_eq!(run.send(&put(&route).body("pushed 1\n")).status, 200);
    assert_eq!(run.send(&delete(&route)).status, 202);
    run.end();
    assert!(!stub.asked().contains("pushed"));
}

#[test]
fn bad_metrics_of_the_command_are_told_and_the_run_is_pushed_without_them() {
    for spawn in gateways() {
        let gateway = spawn.start();
        let cases = [
            ("printf 'a 1\\nb x\\n' > $WHARF_METRICS_FILE", "column 3"),
            ("mkfifo $WHARF_METRICS_FILE", "expected a file"),
            (
                "head -c 17000000 /dev/zero > $WHARF_METRICS_FILE",
                "expected at most 16777216 bytes",
            ),
            (
                "echo 'job_run_success 0' > $WHARF_METRICS_FILE",
                "for the run has them: job_run_success",
            ),
            // Only the gateway can know that another group has it as a gauge.
            (
                "printf '# TYPE taken counter\\ntaken 1\\n' > $WHARF_METRICS_FILE",
                "the gateway answered 400",
            ),
        ];
        gateway.push("/metrics/job/other", "# TYPE taken gauge\ntaken 1\n");
        for (script, expected) in cases {
            let output = output(run_at(&url(gateway.address()), &["sh", "-c", script]));
            ends_with(0, &output);
            let said = stderr(&output);
            assert!(
                said.contains("metrics of the command left out") && said.contains(expected),
                "{said}"
            );
            assert_eq!(value(&gateway, "job_run_success"), 1.0);
            assert_eq!(value(&gateway, "job_run_metrics_accepted"), 0.0);
        }
    }
}

#[test]
fn nothing_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    let mut command = run_at(
        &stub.url,
        &["sh", "-c", "echo m 1 > $WHARF_METRICS_FILE; kill -9 $$"],
    );
    command.env("TMPDIR", folder.path());
    ends_with(128 + 9, &output(command));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_end_of_the_machine_does_not_wait_for_a_gateway() {
    let mut run = Process::start(run_at(&nobody(), &["--retry-for=1h", "--verbose", "true"]));
    run.log_line("trying again");
    run.terminate();
    assert_eq!(run.wait().code, Some(0));
}

#[test]
fn a_command_that_was_asked_to_end_is_not_followed_by_an_hour_of_attempts() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("there");
    let script = format!("touch {}; while :; do sleep 0.01; done", there.display());
    let mut run = Process::start(run_at(&nobody(), &["--retry-for=1h", "sh", "-c", &script]));
    until("the command", || there.exists().then_some(()));
    run.terminate();
    let exit = run.wait();
    assert_eq!(exit.code, Some(128 + 15));
    assert!(exit.stderr.contains("push lost: cannot reach"), "{}", exit.stderr);
}

#[test]
fn a_gateway_that_never_answers_does_not_hold_a_run_that_was_asked_to_end() {
    // What is not answered: the push at the end, and a heartbeat.
    for (flags, script, code) in [
        (&[][..], "touch there; exit 7", 7),
        (
            &["--heartbeat=1h"],
            "touch there; while :; do sleep 0.01; done",
            128 + 15,
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let stub = Stub::start(vec![Answer::Silence]);
        let mut command = run_at(&stub.url, &["--request-timeout=1h", "--spool=spool"]);
        command.args(flags).args(["sh", "-c"]);
        command.arg(format!("cd {}; {script}", folder.path().display()));
        let mut run = Process::start(command);
        stub.asked();
        let there = folder.path().join("there");
        until("the command", || there.exists().then_some(()));
        run.terminate();
        let exit = run.wait();
        assert_eq!(exit.code, Some(code), "{}", exit.stderr);
        // The heartbeat that is not answered has the folder, if that is found out first.
        let reasons = ["no answer before the signal to end", "the spool folder is in use"];
        let kept = |reason| exit.stderr.contains(&format!("push kept for later: {reason}"));
        assert!(reasons.into_iter().any(kept), "{}", exit.stderr);
    }
}

#[test]
fn the_prefix_of_the_names_can_be_chosen() {
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    ends_with(0, &output(run_at(&stub.url, &["--prefix=backup_", "true"])));
    let asked = stub.asked();
    assert!(
        asked.contains("\nbackup_success 1\n") && !asked.contains("job_run_"),
        "{asked}"
    );
}
