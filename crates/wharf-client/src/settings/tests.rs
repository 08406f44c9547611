use super::*;

/// The settings with these variables; `HOME` is an empty folder unless it is among them.
fn from(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let home = tempfile::tempdir().unwrap();
    Settings::from_environment(None, |name| {
        let given = variables.iter().find(|(variable, _)| *variable == name);
        match given {
            Some((_, value)) => Some(OsString::from(value)),
            None => (name == "HOME").then(|| home.path().into()),
        }
    })
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

fn gateway(settings: &Settings) -> &str {
    settings.gateway.as_ref().unwrap().as_str()
}

#[test]
fn without_settings_it_is_the_gateway_of_this_machine() {
    let target = from(&[]).unwrap().target().unwrap();
    assert_eq!(target.address.as_str(), "http://localhost:9091");
    assert_eq!(target.credentials, None);
}

#[test]
fn a_flag_goes_before_the_environment_and_that_before_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let text = "gateway: http://file:1\nusername: of-the-file\ntimeout: 3s\n";
    write(folder.path(), "wharf/client.yaml", text);
    let config = folder.path().to_str().unwrap();

    let file = from(&[("XDG_CONFIG_HOME", config)]).unwrap();
    assert_eq!(gateway(&file), "http://file:1");

    let environment = from(&[
        ("XDG_CONFIG_HOME", config),
        ("WHARF_GATEWAY", "http://variable:1"),
    ])
    .unwrap();
    assert_eq!(gateway(&environment), "http://variable:1");
    assert_eq!(environment.username.as_deref(), Some("of-the-file"));

    let flag = Settings {
        gateway: Some("http://flag:1".parse().unwrap()),
        ..Settings::default()
    };
    let all = flag.or(environment);
    assert_eq!(gateway(&all), "http://flag:1");
    assert_eq!(all.timeout, Some(Duration::from_secs(3)));
}

#[test]
fn the_file_is_in_the_home_folder_where_nothing_else_is_said() {
    let home = tempfile::tempdir().unwrap();
    write(home.path(), ".config/wharf/client.yaml", "gateway: home:1\n");
    let home = home.path().to_str().unwrap();
    for config in ["", "relative"] {
        let settings = from(&[("HOME", home), ("XDG_CONFIG_HOME", config)]).unwrap();
        assert_eq!(gateway(&settings), "http://home:1");
    }
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let error = from(&[("WHARF_CLIENT_FILE", "/nowhere/client.yaml")]).unwrap_err();
    assert!(error.to_string().starts_with("/nowhere/client.yaml: "), "{error}");
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "client.yaml", "gateway: a:1\npasword_file: x\n");
    let error = Settings::from_file(&path).unwrap_err().to_string();
    assert!(error.contains("line 2, column 1: "), "{error}");
    assert!(error.contains("pasword_file"), "{error}");
}

#[test]
fn mistakes_name_the_setting() {
    let refusal = |name: &str, value: &str| from(&[(name, value)]).unwrap_err().to_string();
    assert_eq!(
        refusal("WHARF_TIMEOUT", "0"),
        "WHARF_TIMEOUT: expected a duration above 0, found `0`"
    );
    assert_eq!(
        refusal("WHARF_INSECURE_SKIP_VERIFY", "yes"),
        "WHARF_INSECURE_SKIP_VERIFY: expected true or false, found `yes`"
    );
    let credentials = refusal("WHARF_GATEWAY", "http://u:p@host");
    assert!(
        credentials.starts_with("WHARF_GATEWAY: expected a URL without"),
        "{credentials}"
    );
}

#[test]
fn a_password_comes_from_a_file_beside_the_settings_without_its_line_feed() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "password", "secret word\r\n");
    let path = write(
        folder.path(),
        "client.yaml",
        "username: me\npassword_file: password\n",
    );
    let target = Settings::from_file(&path).unwrap().target().unwrap();
    let expected = Credentials::Basic {
        username: "me".to_owned(),
        password: Secret::new("secret word"),
    };
    assert_eq!(target.credentials, Some(expected));
    assert!(!format!("{target:?}").contains("secret"), "{target:?}");
}

#[test]
fn credentials_of_two_places_are_not_mixed() {
    let folder = tempfile::tempdir().unwrap();
    let password = write(folder.path(), "password", "p");
    let text = format!("username: me\npassword_file: {}\n", password.display());
    let file = write(folder.path(), "client.yaml", &text);
    let file = file.to_str().unwrap();

    let token = from(&[("WHARF_CLIENT_FILE", file), ("WHARF_BEARER_TOKEN", "t")]).unwrap();
    assert_eq!(
        token.target().unwrap().credentials,
        Some(Credentials::Bearer(Secret::new("t")))
    );
    let password = from(&[("WHARF_CLIENT_FILE", file), ("WHARF_PASSWORD", "other")]).unwrap();
    let expected = Credentials::Basic {
        username: "me".to_owned(),
        password: Secret::new("other"),
    };
    assert_eq!(password.target().unwrap().credentials, Some(expected));
}

#[test]
fn half_of_the_credentials_is_refused() {
    let refusal = |variables: &[(&str, &str)]| from(variables).unwrap().target().unwrap_err().to_string();
    assert_eq!(
        refusal(&[("WHARF_USERNAME", "me")]),
        "expected a password file beside the user name, found none"
    );
    assert_eq!(
        refusal(&[("WHARF_PASSWORD", "p")]),
        "expected a user name beside the password, found none"
    );
    assert_eq!(
        refusal(&[("WHARF_CERT_FILE", "c")]),
        "expected a certificate file and a key file, found only one of them"
    );
}
