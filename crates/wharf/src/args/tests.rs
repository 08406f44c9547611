use super::*;
use crate::config::Config;

const NO_VARIABLES: [(&str, &str); 0] = [];

/// Reads a command line up to the settings, and says what came out.
#[track_caller]
fn outcome<const N: usize>(arguments: &[&str], variables: [(&str, &str); N]) -> Result<Config, String> {
    let variable = |name: &str| {
        variables
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.into())
    };
    let invocation = Invocation::parse("wharf", &[], arguments.iter().map(OsString::from), variable);
    let config = invocation.and_then(|invocation| match invocation {
        Invocation::Serve(args) => args.config(),
        Invocation::Print(text) => panic!("printed {text}"),
    });
    config.map_err(|error| error.report("wharf"))
}

/// What a command line prints.
fn printed(arguments: &[&str]) -> Option<String> {
    match Invocation::parse("wharf", &[], arguments.iter().map(OsString::from), |_| None) {
        Ok(Invocation::Print(text)) => Some(text),
        _ => None,
    }
}

/// Compares what is wrong with a command line: the texts without what stands around each of them.
#[track_caller]
fn check(arguments: &[&str], expected: &str) {
    let report = outcome(arguments, NO_VARIABLES).unwrap_err();
    let texts = report.replace("wharf: error: ", "").replace(", try --help", "");
    assert_eq!(texts.trim_end_matches('\n'), expected, "{arguments:?}");
}

#[track_caller]
fn check_flag(arguments: &[&str], name: &str, expected: &str) {
    let config = outcome(arguments, NO_VARIABLES).unwrap();
    assert_eq!(
        config.flags().get(name).map(String::as_str),
        Some(expected),
        "{arguments:?}"
    );
}

#[test]
fn values_stand_behind_a_blank_or_an_equals_sign() {
    check_flag(&["--web.route-prefix=/a"], "web.route-prefix", "/a");
    check_flag(&["--web.route-prefix", "/a"], "web.route-prefix", "/a");
    check_flag(&["--web.route-prefix", "--", "/a"], "web.route-prefix", "/a");
    check_flag(&["--web.route-prefix="], "web.route-prefix", "");
    check_flag(&["--"], "web.route-prefix", "");
}

#[test]
fn switches_turn_on_and_off() {
    check_flag(&["--web.enable-lifecycle"], "web.enable-lifecycle", "true");
    check_flag(&["--no-web.enable-lifecycle"], "web.enable-lifecycle", "false");
    check_flag(
        &["--push.disable-consistency-check"],
        "push.disable-consistency-check",
        "true",
    );
}

#[test]
fn addresses_replace_the_default_and_add_up() {
    check_flag(&[], "web.listen-address", ":9091");
    let two = ["--web.listen-address=:1", "--web.listen-address", "[::1]:2"];
    check_flag(&two, "web.listen-address", ":1,[::1]:2");
}

#[test]
fn unknown_flags_are_refused_in_the_words_of_the_original() {
    check(&["--bogus"], "unknown long flag '--bogus'");
    check(&["--bogus=3"], "unknown long flag '--bogus'");
    check(&["--no-bogus"], "unknown long flag '--no-bogus'");
    check(&["--=x"], "unknown long flag '--'");
    check(&["-w"], "unknown short flag '-w'");
    check(&["-"], "unknown short flag '-'");
    check(&["-é"], "unknown short flag '-é'");
    check(&["-hw"], "unknown short flag '-w'");
    check(
        &["--no-web.route-prefix"],
        "unknown long flag '--no-web.route-prefix'\n\
         hint: did you mean `--web.route-prefix`?",
    );
}

#[test]
fn flags_that_were_nearly_right_are_suggested() {
    check(
        &["--web.listen-adress=:9091"],
        "unknown long flag '--web.listen-adress'\n\
         hint: did you mean `--web.listen-address`?",
    );
    check(
        &["--listen-address=:9091"],
        "unknown long flag '--listen-address'\n\
         hint: did you mean `--web.listen-address`?",
    );
    check(
        &["-web.listen-address=:9091"],
        "unknown short flag '-w'\n\
         hint: did you mean `--web.listen-address`, with two dashes?",
    );
    check(
        &["--no-web.enable-lifecyle"],
        "unknown long flag '--no-web.enable-lifecyle'\n\
         hint: did you mean `--no-web.enable-lifecycle`?",
    );
}

#[test]
fn flags_of_the_statsd_exporter_that_mean_nothing_are_refused_with_a_reason() {
    check(
        &["--statsd.cache-size=1000"],
        "unknown long flag '--statsd.cache-size'\n\
         hint: leave it out: lines that came before are known, and there is no cache to size",
    );
    check(
        &["--check-config"],
        "unknown long flag '--check-config'\n\
         hint: `wharf statsd check FILE` checks mapping rules",
    );
}

#[test]
fn arguments_that_belong_to_no_flag_are_refused() {
    check(&["extra"], "unexpected extra");
    check(&[""], "unexpected ");
    check(&["--web.enable-lifecycle=true"], "unexpected true");
    check(&["--no-web.enable-lifecycle=true"], "unexpected true");
    check(&["--", "--bogus"], "unexpected --bogus");
    check(&["--help=x"], "unexpected x");
}

#[test]
fn a_missing_value_is_refused() {
    check(
        &["--web.listen-address"],
        "expected argument for flag '--web.listen-address'",
    );
    check(
        &["--web.route-prefix", "--log.level=debug"],
        "expected argument for flag '--web.route-prefix'",
    );
    check(
        &["--web.route-prefix", "-"],
        "expected argument for flag '--web.route-prefix'",
    );
    check(
        &["--log.level", "@/nope"],
        "expected argument for flag '--log.level'",
    );
}

#[test]
fn a_missing_file_of_arguments_is_named() {
    check(
        &["@/nope"],
        "failed to open arguments file \"/nope\": open /nope: no such file or directory",
    );
    check(&["@"], "expected @ file to expand arguments from");
}

#[test]
fn flags_that_stand_alone_cannot_be_repeated() {
    check(
        &["--web.route-prefix=/a", "--web.route-prefix=/b"],
        "flag 'web.route-prefix' cannot be repeated",
    );
    check(
        &["--web.enable-lifecycle", "--no-web.enable-lifecycle"],
        "flag 'web.enable-lifecycle' cannot be repeated",
    );
    check(
        &["--log.level=debug", "--log.level=bar"],
        "flag 'log.level' cannot be repeated",
    );
}

#[test]
fn bad_values_are_refused_in_the_words_of_the_original() {
    check(
        &["--log.level=foo"],
        "unrecognized log level foo\n\
         hint: --log.level takes one of: debug, info, warn, error",
    );
    check(
        &["--log.format=JSON"],
        "unrecognized log format JSON\n\
         hint: --log.format takes one of: logfmt, json",
    );
    check(
        &["--persistence.interval=5"],
        "time: missing unit in duration \"5\"\n\
         hint: --persistence.interval takes a duration such as 300ms, 90s or 1h30m",
    );
    check(
        &["--web.external-url=:foo"],
        "invalid URL: parse \":foo\": missing protocol scheme\n\
         hint: --web.external-url takes a URL such as https://example.org/gateway/",
    );
    check(
        &["--web.listen-address=foo"],
        "listen tcp: address foo: missing port in address\n\
         hint: --web.listen-address takes an address such as :9091, 127.0.0.1:9091 or [::1]:9091",
    );
}

#[test]
fn bad_values_of_our_own_flags_say_what_was_expected() {
    check(
        &["--push.success-status=201"],
        "expected 200 or 202, found `201`\n\
         hint: --push.success-status takes one of: 200, 202",
    );
    check(
        &["--push.max-body-bytes=64MB"],
        "expected a number of bytes, found `64MB`\n\
         hint: --push.max-body-bytes takes a size such as 1048576, 512KiB or 64MiB",
    );
    check(
        &["--limits.max-connections=0"],
        "expected a number from 1 on, found `0`\n\
         hint: --limits.max-connections takes a number from 1 on",
    );
    check(
        &["--web.idle-timeout=-1s"],
        "expected a duration from 0 on, found `-1s`\n\
         hint: --web.idle-timeout takes a duration such as 300ms, 90s or 1h30m",
    );
}

#[test]
fn all_bad_values_are_reported_in_the_order_typed() {
    check(
        &["--persistence.interval=foo", "--log.level=foo", "--log.level=bar"],
        "time: invalid duration \"foo\"\n\
         hint: --persistence.interval takes a duration such as 300ms, 90s or 1h30m\nunrecognized log level foo\n\
         hint: --log.level takes one of: debug, info, warn, error\nflag 'log.level' cannot be repeated",
    );
}

#[test]
fn unknown_flags_come_before_bad_values() {
    check(&["--log.level=foo", "--bogus"], "unknown long flag '--bogus'");
    check(&["--log.level=foo", "extra"], "unexpected extra");
}

#[test]
fn version_and_scripts_are_printed_whatever_comes_after() {
    let cases = [
        (&["--version"][..], "wharf, version "),
        (&["--no-version"], "wharf, version "),
        (&["--version=x"], "wharf, version "),
        (&["--version", "--bogus"], "wharf, version "),
        (&["--version", "extra"], "wharf, version "),
        (&["--log.level=foo", "--version"], "wharf, version "),
        (&["--help", "--version"], "wharf, version "),
        (&["--help-long", "--bogus"], "usage: wharf [<flags>]"),
        (&["--help-man", "extra"], ".TH wharf 1 "),
        (
            &["--completion-script-bash", "--bogus"],
            "\n_wharf_bash_autocomplete() {",
        ),
        (&["--completion-script-zsh"], "\n#compdef wharf"),
        (
            &["--completion-bash", "--log.level", "--bogus"],
            "--web.systemd-socket",
        ),
    ];
    for (arguments, start) in cases {
        let text = printed(arguments).unwrap();
        assert!(text.starts_with(start), "{arguments:?}: {text}");
    }
    check(&["--bogus", "--version"], "unknown long flag '--bogus'");
}

#[test]
fn help_is_printed_unless_something_is_unknown() {
    for arguments in [
        &["--help"][..],
        &["-h"],
        &["-hh"],
        &["--no-help"],
        &["--log.level=foo", "--help"],
    ] {
        let text = printed(arguments).unwrap();
        assert!(
            text.starts_with("usage: wharf [<flags>]\n"),
            "{arguments:?}: {text}"
        );
    }
    check(&["--help", "extra"], "unexpected extra");
    check(&["--help", "--bogus"], "unknown long flag '--bogus'");
}

#[test]
fn the_environment_fills_in_what_was_not_typed() {
    let variables = [
        ("WHARF_WEB_LISTEN_ADDRESS", ":1, :2"),
        ("WHARF_WEB_ENABLE_LIFECYCLE", "true"),
        ("WHARF_LOG_LEVEL", "debug"),
        ("WHARF_PERSISTENCE_FILE", ""),
        ("WHARF_BOGUS", "ignored"),
    ];
    let config = outcome(&["--log.level=warn"], variables).unwrap();
    let flags = config.flags();
    let shown = |name: &str| flags.get(name).map(String::as_str);
    assert_eq!(shown("web.listen-address"), Some(":1,:2"));
    assert_eq!(shown("web.enable-lifecycle"), Some("true"));
    assert_eq!(shown("log.level"), Some("warn"));
    assert_eq!(shown("persistence.file"), Some(""));
}

#[test]
fn bad_variables_are_named() {
    let variables = [
        ("WHARF_LOG_LEVEL", "foo"),
        ("WHARF_WEB_ENABLE_LIFECYCLE", ""),
        ("WHARF_WEB_LISTEN_ADDRESS", ":1,x"),
    ];
    let expected = "\
wharf: error: WHARF_WEB_LISTEN_ADDRESS: listen tcp: address x: missing port in address, try --help
hint: WHARF_WEB_LISTEN_ADDRESS takes an address such as :9091, 127.0.0.1:9091 or [::1]:9091
wharf: error: WHARF_WEB_ENABLE_LIFECYCLE: expected true or false, found ``, try --help
hint: WHARF_WEB_ENABLE_LIFECYCLE takes true or false
wharf: error: WHARF_LOG_LEVEL: unrecognized log level foo, try --help
hint: WHARF_LOG_LEVEL takes one of: debug, info, warn, error
";
    assert_eq!(outcome(&[], variables).unwrap_err(), expected);
}

#[cfg(unix)]
#[test]
fn arguments_must_be_utf8() {
    use std::os::unix::ffi::OsStringExt;

    let argument = OsString::from_vec(b"--persistence.file=\xff".to_vec());
    let error = Invocation::parse("wharf", &[], [argument], |_| None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected an argument in UTF-8, found `--persistence.file=\u{fffd}`"
    );
}

#[test]
fn every_variable_belongs_to_one_flag() {
    let variables: HashSet<String> = FLAGS.iter().map(Flag::variable).collect();
    assert_eq!(variables.len(), FLAGS.len());
    assert!(variables.contains("WHARF_WEB_CONFIG_FILE"));
}

#[test]
fn every_default_can_be_typed() {
    let defaults = Config::default();
    for flag in FLAGS.iter() {
        let mut config = Config::default();
        flag.clear(&mut config);
        let shown = flag.show(&defaults);
        flag.set(&mut config, &shown)
            .unwrap_or_else(|error| panic!("{}: {error}", flag.name));
        // Who types it wants it.
        assert_eq!(config.storage.folder.is_named, flag.name == "storage.path");
        config.storage.folder.is_named = false;
        assert_eq!(config, defaults, "{}", flag.name);
    }
}
