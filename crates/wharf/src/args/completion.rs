//! Completion by the shell: the scripts, and the words that the scripts ask us for.

use wharf_settings::Takes;

use super::requests::{REQUESTS, VISIBLE_REQUESTS};
use crate::config::FLAGS;

/// The words that may follow `arguments`, the last of which is being typed; one a line.
///
/// All of them, whatever has been typed of the last one: the shell picks.
pub(super) fn words(arguments: &[String]) -> String {
    // The first argument is `--completion-bash` itself.
    let typed = arguments.get(1..).unwrap_or_default();
    let current = typed.last().map_or("", String::as_str);
    let previous = typed.iter().rev().nth(1).map_or("", String::as_str);

    let name = current.strip_prefix("--").or_else(|| previous.strip_prefix("--"));
    let Some(name) = name else { return String::new() };
    if let Some(flag) = FLAGS.iter().find(|flag| flag.name == name) {
        let Takes::OneOf(choices) = flag.takes else {
            return String::new();
        };
        let is_complete = choices.contains(&current) && !current.starts_with("--");
        return if is_complete {
            String::new()
        } else {
            choices.join("\n")
        };
    }
    if REQUESTS.iter().any(|(request, _)| *request == name) {
        return String::new();
    }
    let requests = VISIBLE_REQUESTS.iter().map(|(request, ..)| *request);
    let names = FLAGS.iter().map(|flag| flag.name).chain(requests);
    names
        .map(|name| format!("--{name}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// To be sourced by bash.
pub(super) fn bash_script(program: &str) -> String {
    let function = function(program);
    format!("\n{function}complete -F _{program}_bash_autocomplete {program}\n\n")
}

/// To be sourced by zsh.
pub(super) fn zsh_script(program: &str) -> String {
    let function = function(program);
    let start = "autoload -U compinit && compinit\nautoload -U bashcompinit && bashcompinit\n";
    format!("\n#compdef {program}\n{start}\n{function}complete -F _{program}_bash_autocomplete {program}\n")
}

fn function(program: &str) -> String {
    format!(
        r#"_{program}_bash_autocomplete() {{
    local cur opts
    COMPREPLY=()
    cur="${{COMP_WORDS[COMP_CWORD]}}"
    opts=$( "${{COMP_WORDS[0]}}" --completion-bash "${{COMP_WORDS[@]:1:$COMP_CWORD}}" )
    COMPREPLY=( $(compgen -W "${{opts}}" -- "${{cur}}") )
    return 0
}}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(typed: &[&str]) -> String {
        let arguments = ["--completion-bash"]
            .iter()
            .chain(typed)
            .copied()
            .map(str::to_owned);
        words(&arguments.collect::<Vec<_>>()).replace('\n', " ")
    }

    #[test]
    fn flags_are_offered_after_two_dashes() {
        for typed in [&["--"][..], &["--web"], &["--log.level", "--"]] {
            let words = completed(typed);
            assert!(
                words.starts_with("--web.systemd-socket --web.listen-address "),
                "{words}"
            );
            assert!(words.ends_with(" --help --version"), "{words}");
        }
        for typed in [&[][..], &[""], &["x"], &["x", "y"]] {
            assert_eq!(completed(typed), "", "{typed:?}");
        }
    }

    #[test]
    fn choices_are_offered_after_their_flag() {
        for typed in [&["--log.level"][..], &["--log.level", ""], &["--log.level", "in"]] {
            assert_eq!(completed(typed), "debug info warn error", "{typed:?}");
        }
        for typed in [
            &["--log.level", "info"][..],
            &["--web.route-prefix", ""],
            &["--version"],
        ] {
            assert_eq!(completed(typed), "", "{typed:?}");
        }
    }

    #[test]
    fn scripts_ask_the_program_that_is_completed() {
        for script in [bash_script("wharf"), zsh_script("wharf")] {
            assert!(script.contains("_wharf_bash_autocomplete() {"), "{script}");
            assert!(
                script.contains("complete -F _wharf_bash_autocomplete wharf\n"),
                "{script}"
            );
            assert!(script.contains(r#""${COMP_WORDS[@]:1:$COMP_CWORD}""#), "{script}");
        }
    }
}
