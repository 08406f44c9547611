//! The help, on the terminal and as a manual page.

use super::flags::{FLAGS, Flag, Section, Takes, VISIBLE_REQUESTS};
use crate::config::Config;
use crate::quote::Quoted;
use crate::tools::TOOLS;
use crate::version::BUILD;

/// The longest line.
const WIDTH: usize = 100;

/// Where the right column starts.
const COLUMN: usize = 45;

const ABOUT: &str = "Wharf holds the metrics of batch jobs until Prometheus scrapes them. It takes the place of a \
                     Prometheus Pushgateway: flags, URLs and formats are the same.";

const FLAG_NOTES: &str = "Each flag may be given as an environment variable as well, in capitals and with underscores: \
                          --web.listen-address is WHARF_WEB_LISTEN_ADDRESS (with commas between several addresses), \
                          and a switch takes true or false there. The command line goes first. An argument @file \
                          stands for the lines of that file, one argument each.";

/// What `--help` prints.
pub(super) fn text(program: &str) -> String {
    let mut text = format!("usage: {program} [<flags>]\n\n");
    write_wrapped(&mut text, ABOUT, 0);
    text.push_str("\nTools (wharf help <tool> says more):\n");
    for tool in &TOOLS {
        write_columns(&mut text, &format!("      {}", tool.name), tool.about);
    }
    let defaults = Config::default();
    for section in Section::ALL {
        text.extend(["\n", section.title(), ":\n"]);
        for flag in FLAGS.iter().filter(|flag| flag.section == section) {
            write_columns(
                &mut text,
                &format!("      {}", usage(flag, &defaults)),
                &help(flag),
            );
        }
    }
    text.push_str("\nAbout:\n");
    for (name, short, help) in VISIBLE_REQUESTS {
        write_columns(&mut text, &format!("  {short}--{name}"), help);
    }
    text.push('\n');
    write_wrapped(&mut text, FLAG_NOTES, 0);
    text
}

/// What `--help-man` prints: a page for `man`.
pub(crate) fn man_page(program: &str) -> String {
    let mut page = String::new();
    let mut line = |line: String| {
        page.push_str(&line);
        page.push('\n');
    };
    line(format!(".TH {program} 1 \"\" \"wharf {}\"", BUILD.version));
    line(format!(
        ".SH NAME\n{program} \\- {}",
        roff("holds the metrics of batch jobs for Prometheus")
    ));
    line(format!(".SH SYNOPSIS\n\\fB{program} [<flags>]\\fR"));
    line(format!(
        ".SH DESCRIPTION\n{}\n.PP\n{}",
        roff(ABOUT),
        roff(FLAG_NOTES)
    ));
    line(".SH TOOLS".to_owned());
    for tool in &TOOLS {
        line(format!(".TP\n\\fB{}\\fR\n{}", roff(tool.name), roff(tool.about)));
    }
    line(".SH OPTIONS".to_owned());
    let defaults = Config::default();
    for section in Section::ALL {
        line(format!(".SS {}", roff(section.title())));
        for flag in FLAGS.iter().filter(|flag| flag.section == section) {
            let usage = roff(&usage(flag, &defaults));
            line(format!(".TP\n\\fB{usage}\\fR\n{}", roff(&help(flag))));
        }
    }
    line(".SS About".to_owned());
    for (name, short, help) in VISIBLE_REQUESTS {
        let usage = roff(&format!("{}--{name}", short.trim_start()));
        line(format!(".TP\n\\fB{usage}\\fR\n{}", roff(help)));
    }
    page
}

/// The flag with its default: `--log.level=info`, `--[no-]web.enable-lifecycle`.
fn usage(flag: &Flag, defaults: &Config) -> String {
    let name = flag.name;
    let default = (flag.show)(defaults);
    let more = if flag.repeats.is_some() { " ..." } else { "" };
    match flag.takes {
        Takes::Nothing => format!("--[no-]{name}"),
        _ if default.is_empty() => format!("--{name}={}{more}", Quoted(&default)),
        _ => format!("--{name}={default}{more}"),
    }
}

fn help(flag: &Flag) -> String {
    match flag.takes {
        Takes::OneOf(words) => format!("{} One of: {}.", flag.help, words.join(", ")),
        _ => flag.help.to_owned(),
    }
}

/// Escapes a text for the formatter of manual pages.
fn roff(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

/// Writes a flag with its help beside it, or below it where the flag is long.
fn write_columns(text: &mut String, left: &str, right: &str) {
    text.push_str(left);
    let room = COLUMN.saturating_sub(left.chars().count());
    if room < 2 {
        text.push('\n');
        text.push_str(&" ".repeat(COLUMN));
    } else {
        text.push_str(&" ".repeat(room));
    }
    write_wrapped(text, right, COLUMN);
}

/// Writes words in lines of at most [`WIDTH`]; the cursor stands in `column`, and so does every further line start.
fn write_wrapped(text: &mut String, words: &str, column: usize) {
    let mut used = column;
    for word in words.split_whitespace() {
        let length = word.chars().count();
        if used > column && used + 1 + length > WIDTH {
            text.push('\n');
            text.push_str(&" ".repeat(column));
            used = column;
        } else if used > column {
            text.push(' ');
            used += 1;
        }
        text.push_str(word);
        used += length;
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn help_lists_every_flag_in_a_readable_width() {
        let help = text("wharf");
        assert!(help.starts_with("usage: wharf [<flags>]\n\n"));
        for flag in &FLAGS {
            let found =
                help.contains(&format!("--{}", flag.name)) || help.contains(&format!("]{}", flag.name));
            assert!(found, "{}", flag.name);
        }
        let longest = help.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(WIDTH), "{longest:?}");
        expect![[r#"
            usage: wharf [<flags>]

            Wharf holds the metrics of batch jobs until Prometheus scrapes them. It takes the place of a
            Prometheus Pushgateway: flags, URLs and formats are the same.

            Tools (wharf help <tool> says more):
                  run                                    Run a command and push how that went.
                  push                                   Push metrics from a file, a pipe or the command line.
                  check                                  Look for mistakes in a text of metrics.
                  ls                                     List the groups of a gateway.
                  get                                    Print the metrics of groups.
                  rm                                     Remove groups, after having shown which.
                  wipe                                   Remove all groups.
                  top                                    Watch a gateway.
                  import                                 Bring groups over from another gateway or from a file.
                  export                                 Write groups to standard output, for import and push.
                  ledger                                 Look into the storage folder, copy it, mend it.
                  config                                 Check a file for --config.file, make tokens.
                  completions                            Print a completion script for a shell.
                  man                                    Print the manual pages, or write them into a folder.
                  help                                   Show this help, or that of a tool.
                  version                                Say which build this is.

            Listening:
                  --[no-]web.systemd-socket              Listen on the sockets that systemd hands over, instead
                                                         of addresses (Linux).
                  --web.listen-address=:9091 ...         Where to listen: host:port, :port or [v6]:port, the
                                                         port a number or a name. May be repeated.
                  --web.config.file=""                   File with TLS, authentication, header and rate limit
                                                         settings, in the format that all Prometheus servers
                                                         share.
                  --web.push-address="" ...              Where to listen for pushes, and no longer at
                                                         --web.listen-address. May be repeated.
                  --web.push-config-file=""              File as --web.config.file, for --web.push-address only.
                  --web.scrape-address="" ...            Where to listen for scrapes, the page and what it
                                                         shows, and no longer at --web.listen-address. May be
                                                         repeated.
                  --web.scrape-config-file=""            File as --web.config.file, for --web.scrape-address
                                                         only.
                  --web.admin-address="" ...             Where to listen for deleting by selector, wiping,
                                                         reloading and ending, and the page, and no longer at
                                                         --web.listen-address. May be repeated.
                  --web.admin-config-file=""             File as --web.config.file, for --web.admin-address
                                                         only.
                  --config.file=""                       File with rules about groups: expiry, quotas,
                                                         relabelling, access. Read again at SIGHUP.
                  --web.header-timeout=10s               For how long a client may take to send the header of a
                                                         request; 0 for ever.
                  --web.body-timeout=1m0s                For how long a client may take to send the body of a
                                                         request; 0 for ever.
                  --web.idle-timeout=0s                  For how long a connection may wait for its next
                                                         request; 0 for ever, unless another one needs its
                                                         place.
                  --shutdown.timeout=15s                 For how long requests in flight may go on after the
                                                         signal to end; 0 cuts them.

            Routes:
                  --web.telemetry-path=/metrics          Path of the exposition. Pushes go to /metrics/job/...
                                                         whatever it is.
                  --web.external-url=""                  Where users reach the server, if a proxy stands before
                                                         it: the path is the prefix of links, and the gateway's
                                                         own page is at this origin.
                  --web.route-prefix=""                  Prefix of all routes. Without it, the path of
                                                         --web.external-url.
                  --[no-]web.enable-lifecycle            Let PUT and POST requests to /-/quit end the process,
                                                         and to /-/reload read --config.file again.
                  --[no-]web.enable-admin-api            Let requests to /api/v1/admin delete everything, and
                                                         DELETE of /api/v1/groups what a selector names.
                  --[no-]web.enable-openmetrics          Answer in OpenMetrics to scrapers that prefer it. The
                                                         original never does.
                  --web.cors.origin=""                   Pages of which origins may ask for changes and read the
                                                         JSON API: a regular expression for the whole origin.
                                                         With '.*' those of any, as for the original.

            Pushes:
                  --[no-]push.disable-consistency-check  Answer every push that can be read with 202. One that
                                                         does not fit to what is stored is dropped all the same,
                                                         and only the log and the group's failure time say so.
                  --[no-]push.enable-utf8-names          Allow any UTF-8 text as a metric or label name.
                  --[no-]push.strict-text                Refuse text with CRLF, with blanks at the end of a
                                                         line, or without a last newline, as the original does.
                  --push.success-status=200              Status of an accepted push. Very old clients expect
                                                         202. One of: 200, 202.
                  --push.max-body-bytes=64MiB            Largest body of a push, before and after decompression;
                                                         a larger one is refused with 413.
                  --push.default-ttl=0s                  For how long a group stays after its last push, if
                                                         neither the push nor a rule says so; 0 for ever.
                  --push.max-ttl=0s                      Longest time to live that a push may ask for; 0 for
                                                         any.
                  --push.timestamps=refuse               Whether a push with timestamps is refused, as the
                                                         original does, or stored without them. One of: refuse,
                                                         strip.
                  --push.instance-label=empty            What a series without an instance gets: an empty label
                                                         as the original gives it, none (omit), or this value.
                                                         Counts from each group's next push on.

            Storage:
                  --storage.path=wharf-data/             Folder to keep the groups in; made if it is not there.
                                                         Empty: in memory only.
                  --storage.sync=always                  When a push is on stable storage: always before it is
                                                         answered, or at most this long after.
                  --storage.segment-bytes=32MiB          Size of a file of the log.
                  --storage.checkpoint-bytes=128MiB      Length of the log after which the stored groups are
                                                         written out and the log begins anew; or as much as is
                                                         stored, if that is more.
                  --history.max-bytes=64MiB              Memory for what has become of the last 60 pushes of
                                                         each group; beyond it the oldest pushes are forgotten
                                                         first. It is kept beside the groups. 0: no history.
                  --persistence.file=""                  As the original's: keeps the groups in the folder of
                                                         this name with .wharf behind it, instead of
                                                         --storage.path. A state file that the original has
                                                         written is read once, and left as it is.
                  --persistence.interval=5m0s            The original's pause between two writes. It changes
                                                         nothing here: --storage.sync says when a push is safe.

            Limits (requests beyond them are refused):
                  --limits.max-connections=8192          Open connections; fewer if the system allows fewer open
                                                         files. For one more, the one is closed that has been
                                                         idle for the longest time.
                  --limits.max-requests-in-flight=1024   Requests being answered, scrapes included.
                  --limits.max-scrapes-in-flight=40      Scrapes, and requests for all metrics as JSON, being
                                                         answered.
                  --limits.max-groups=10000000           Groups that are stored.
                  --limits.max-series=100000000          Series that are stored.
                  --limits.max-series-per-push=10000000  Series of one push.
                  --limits.max-labels-per-series=1000    Labels of one pushed series.
                  --limits.max-label-name-bytes=4096     Length of a label name.
                  --limits.max-label-value-bytes=16777216
                                                         Length of a label value.

            Logging:
                  --log.level=info                       Least severe level that is logged. One of: debug, info,
                                                         warn, error.
                  --log.format=logfmt                    Shape of a log line. One of: logfmt, json.

            About:
              -h, --help                                 Show this help (--help-man: as a manual page).
                  --version                              Show which version this is.

            Each flag may be given as an environment variable as well, in capitals and with underscores:
            --web.listen-address is WHARF_WEB_LISTEN_ADDRESS (with commas between several addresses), and a
            switch takes true or false there. The command line goes first. An argument @file stands for the
            lines of that file, one argument each.
        "#]].assert_eq(&help);
    }

    #[test]
    fn manual_pages_escape_what_has_a_meaning_there() {
        let page = man_page("wharf");
        assert!(page.starts_with(".TH wharf 1 \"\" \"wharf "));
        assert!(
            page.contains(".TP\n\\fB\\-\\-[no\\-]web.enable\\-lifecycle\\fR\nLet PUT and POST "),
            "{page}"
        );
        assert_eq!(roff("a-b\\c"), "a\\-b\\ec");
    }
}
