//! A real browser: Debian's Chromium without a window, driven by its own `DevTools` protocol.
//!
//! The protocol goes over two pipes, one JSON message after the other with a NUL behind each, so there is no port to
//! choose, no driver to install and nothing to wait for but answers.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::wait::{DEADLINE, until};
use crate::{Process, peers};

/// The shell moves its standard streams to where Chromium expects the pipes. The profile is in the process' folder.
const SCRIPT: &str =
    "HOME=$PWD exec \"$0\" --user-data-dir=\"$PWD/profile\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null";

/// Chromium's sandbox wants rights that containers and root do not have; it only sees pages of a gateway under test.
const ARGS: [&str; 7] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
    "about:blank",
];

/// A browser with one tab, closed when it goes out of scope.
#[derive(Debug)]
pub struct Browser {
    /// Kept for its end.
    _process: Process,
    pipes: Mutex<Pipes>,
    session: String,
}

#[derive(Debug)]
struct Pipes {
    commands: ChildStdin,
    messages: Receiver<Value>,
    last_id: u64,
    /// What the page complained about: exceptions that nobody caught, refusals of the content policy, errors it logged.
    complaints: Vec<String>,
}

/// How often a click is tried that hits nothing.
const CLICKS: u32 = 3;

impl Browser {
    /// Starts one; `None` if there is no Chromium and none is required.
    #[track_caller]
    pub fn start() -> Option<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT]).arg(peers::chromium()?).args(ARGS);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::start(command);
        let commands = process.take_stdin().expect("standard input is a pipe");
        let answers = process.take_stdout().expect("standard output is a pipe");
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(answers).split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).expect("Chromium writes JSON");
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let pipes = Pipes {
            commands,
            messages,
            last_id: 0,
            complaints: Vec::new(),
        };
        let mut browser = Self {
            _process: process,
            pipes: Mutex::new(pipes),
            session: String::new(),
        };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", &attach);
        browser.session = text(&attached["sessionId"]);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser.size(1280, 800);
        Some(browser)
    }

    /// Sends a command of the protocol, and returns its result.
    ///
    /// # Panics
    /// If the browser refuses it, or does not answer in time.
    #[track_caller]
    pub fn call(&self, method: &str, parameters: &Value) -> Value {
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        pipes.last_id += 1;
        let id = pipes.last_id;
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        pipes.commands.write_all(&bytes).expect("write to the browser");
        loop {
            let message = match pipes.messages.recv_timeout(DEADLINE) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => panic!("waited {DEADLINE:?} for the answer to {method}"),
                Err(RecvTimeoutError::Disconnected) => panic!("the browser ended during {method}"),
            };
            pipes.complaints.extend(complaint(&message));
            if message["id"] == json!(id) {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
        }
    }

    /// Goes to a URL. The page may still be loading afterwards.
    #[track_caller]
    pub fn open(&self, url: &str) {
        self.call("Page.navigate", &json!({"url": url}));
    }

    /// The value of a JavaScript expression; promises are waited for.
    ///
    /// # Panics
    /// If it throws.
    #[track_caller]
    pub fn evaluate(&self, expression: &str) -> Value {
        let parameters = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let result = self.call("Runtime.evaluate", &parameters);
        let thrown = &result["exceptionDetails"];
        assert!(thrown.is_null(), "{expression}: {thrown}");
        result["result"]["value"].clone()
    }

    /// Waits until a JavaScript expression is true.
    #[track_caller]
    pub fn wait_for(&self, expression: &str) {
        until(expression, || {
            let expression = format!("Boolean({expression})");
            (self.evaluate_or_nothing(&expression) == json!(true)).then_some(())
        });
    }

    /// While a page is being left, its scripts cannot be asked anything.
    fn evaluate_or_nothing(&self, expression: &str) -> Value {
        let parameters = json!({"expression": expression, "returnByValue": true});
        self.call("Runtime.evaluate", &parameters)["result"]["value"].clone()
    }

    /// Waits until the page shows a text.
    #[track_caller]
    pub fn wait_for_text(&self, text: &str) {
        self.wait_for(&format!("document.body?.innerText.includes({})", json!(text)));
    }

    /// Waits until the page does not show a text.
    #[track_caller]
    pub fn wait_for_no_text(&self, text: &str) {
        self.wait_for(&format!("!document.body.innerText.includes({})", json!(text)));
    }

    /// Waits for a button or link with this text or accessible name, or one that begins so, and clicks it as a mouse
    /// does. An open dialog is all there is.
    #[track_caller]
    pub fn click(&self, name: &str) {
        let find = format!(
            "((name, shown) => {{ const texts = (one) => [one.textContent.trim(), one.ariaLabel ?? '']; return \
             shown.find((one) => texts(one).includes(name)) ?? \
             shown.find((one) => texts(one).some((text) => text.startsWith(name))); }})({}, \
             [...(document.querySelector('dialog[open]') ?? document)\
             .querySelectorAll('button:enabled, a, summary, input[type=checkbox]')].filter((one) => one.checkVisibility()))",
            json!(name)
        );
        self.wait_for(&find);
        self.click_on(&find);
    }

    /// Clicks the element that an expression gives.
    ///
    /// The browser sends a click to what stood there in the last frame that it has drawn, which on a busy machine may be
    /// behind a dialog that has just opened. So it clicks again if neither this element nor another one that takes
    /// clicks was hit.
    #[track_caller]
    pub fn click_on(&self, element: &str) {
        for _ in 0..CLICKS {
            let place = self.evaluate(&format!(
                "(async () => {{ const frame = () => new Promise(requestAnimationFrame); const one = {element}; \
                 one.scrollIntoView({{ block: 'center' }}); await frame(); await frame(); window.hit = false; \
                 addEventListener('click', ({{ target }}) => {{ window.hit ||= one.contains(target) || \
                 Boolean(target.closest('button, a, summary, input, label')); }}, {{ capture: true, once: true }}); \
                 const box = one.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
            ));
            for kind in ["mousePressed", "mouseReleased"] {
                self.call(
                    "Input.dispatchMouseEvent",
                    &json!({"type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1}),
                );
            }
            // On a page that the click has led to, nobody has said anything.
            if self.evaluate_or_nothing("window.hit") != json!(false) {
                return;
            }
        }
    }

    /// Types into whatever has the focus.
    #[track_caller]
    pub fn type_text(&self, text: &str) {
        for character in text.chars() {
            self.press(&character.to_string());
        }
    }

    /// Presses a key: a character, or a name such as `Enter`.
    #[track_caller]
    pub fn press(&self, key: &str) {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            "Tab" => (9, ""),
            "Backspace" => (8, ""),
            _ => (0, key),
        };
        let mut down = json!({"type": "keyDown", "key": key, "windowsVirtualKeyCode": code});
        if !text.is_empty() {
            down["text"] = json!(text);
        }
        self.call("Input.dispatchKeyEvent", &down);
        let up = json!({"type": "keyUp", "key": key, "windowsVirtualKeyCode": code});
        self.call("Input.dispatchKeyEvent", &up);
    }

    /// The size of what a reader sees, in CSS pixels.
    #[track_caller]
    pub fn size(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.call("Emulation.setDeviceMetricsOverride", &size);
    }

    /// What the system prefers, such as `prefers-color-scheme` `dark`.
    #[track_caller]
    pub fn prefer(&self, feature: &str, value: &str) {
        let media = json!({"features": [{"name": feature, "value": value}]});
        self.call("Emulation.setEmulatedMedia", &media);
    }

    /// What is seen, as a PNG.
    #[track_caller]
    pub fn screenshot(&self) -> Vec<u8> {
        let data = text(&self.call("Page.captureScreenshot", &json!({"format": "png"}))["data"]);
        STANDARD.decode(data).expect("Chromium writes base64")
    }

    /// What the page complained about so far: exceptions, violations of its content policy, logged errors. Requests
    /// that the gateway refuses count too.
    pub fn complaints(&self) -> Vec<String> {
        // What came after the last answer is read with the next one.
        self.evaluate("0");
        self.pipes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .complaints
            .clone()
    }
}

fn complaint(message: &Value) -> Option<String> {
    let parameters = &message["params"];
    match message["method"].as_str()? {
        "Runtime.exceptionThrown" => Some(parameters["exceptionDetails"].to_string()),
        "Log.entryAdded" if parameters["entry"]["level"] == "error" => Some(parameters["entry"].to_string()),
        "Page.javascriptDialogOpening" => Some(format!("a dialog: {parameters}")),
        _ => None,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
