//! The help, on the terminal and as a manual page.

use wharf_settings::{Quoted, Takes};

use super::requests::VISIBLE_REQUESTS;
use crate::config::{Config, FLAGS, Flag, Heading};
use crate::version::BUILD;

/// The longest line.
const WIDTH: usize = 100;

/// Where the right column starts.
const COLUMN: usize = 45;

const ABOUT: &str = "Wharf holds the metrics of batch jobs until Prometheus scrapes them. It takes the place of a \
                     Prometheus Pushgateway: flags, URLs and formats are the same.";

/// What holds for all flags.
pub(crate) const FLAG_NOTES: &str = "Each flag may be given as an environment variable as well, in capitals and with underscores: \
                          --web.listen-address is WHARF_WEB_LISTEN_ADDRESS (with commas between several addresses), \
                          and a switch takes true or false there. The command line goes first. An argument @file \
                          stands for the lines of that file, one argument each.";

/// What `--help` prints.
pub(super) fn text(program: &str, tools: &[(&str, &str)]) -> String {
    let mut text = format!("usage: {program} [<flags>]\n\n");
    write_wrapped(&mut text, ABOUT, 0);
    text.push_str("\nTools (wharf help <tool> says more):\n");
    for (name, about) in tools {
        write_columns(&mut text, &format!("      {name}"), about);
    }
    let defaults = Config::default();
    for heading in Heading::ALL {
        text.extend(["\n", heading.title(), ":\n"]);
        for flag in FLAGS.iter().filter(|flag| flag.heading == heading) {
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
pub(crate) fn man_page(program: &str, tools: &[(&str, &str)]) -> String {
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
    for (name, about) in tools {
        line(format!(".TP\n\\fB{}\\fR\n{}", roff(name), roff(about)));
    }
    line(".SH OPTIONS".to_owned());
    let defaults = Config::default();
    for heading in Heading::ALL {
        line(format!(".SS {}", roff(heading.title())));
        for flag in FLAGS.iter().filter(|flag| flag.heading == heading) {
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
    let default = flag.show(defaults);
    let more = if flag.repeats { " ..." } else { "" };
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
    use expect_test::expect_file;

    use super::*;
    use crate::tools::listed;

    #[test]
    fn help_lists_every_flag_in_a_readable_width() {
        let help = text("wharf", &listed());
        assert!(help.starts_with("usage: wharf [<flags>]\n\n"));
        for flag in FLAGS.iter() {
            let found =
                help.contains(&format!("--{}", flag.name)) || help.contains(&format!("]{}", flag.name));
            assert!(found, "{}", flag.name);
        }
        let longest = help.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(WIDTH), "{longest:?}");
        expect_file!["../../testdata/help.txt"].assert_eq(&help);
    }

    #[test]
    fn manual_pages_escape_what_has_a_meaning_there() {
        let page = man_page("wharf", &listed());
        assert!(page.starts_with(".TH wharf 1 \"\" \"wharf "));
        assert!(
            page.contains(".TP\n\\fB\\-\\-[no\\-]web.enable\\-lifecycle\\fR\nLet PUT and POST "),
            "{page}"
        );
        assert_eq!(roff("a-b\\c"), "a\\-b\\ec");
    }
}
