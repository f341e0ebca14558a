//! Pages in a real browser, wide and narrow, light and dark: nothing sticks out, nothing is too small to
//! read, and the browser has nothing to complain about.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use lifeboat_harness::wait::{Probe, until};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use serde_json::Value;
use tempfile::TempDir;

use crate::page::{losing, rehearsal, report, run, track_record};
use crate::support::{Called, Lifeboat};

/// How long a browser may take for one page.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long its processes may take to be gone after it.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// The widths of a desk and of a phone.
const WIDTHS: [u32; 2] = [1280, 375];
/// Smaller text, in pixels, can't be read.
const SMALLEST_TEXT: f64 = 10.0;

/// A page in frames of both widths, which says how it is laid out.
const MEASURE: &str = r#"<!doctype html><meta charset="utf-8"><body style="margin:0"><pre id="measured"></pre>
<iframe src="PAGE" style="width:WIDTHpx;height:900px;border:0"></iframe>
<script>
window.onload = function () {
  var frame = document.querySelector("iframe"), page = frame.contentDocument, root = page.documentElement;
  var all = Array.prototype.slice.call(page.querySelectorAll("body *"));
  function inScroller(one) { return one.closest(".scroll, .strip, pre, svg") !== null; }
  var sticking = all.filter(function (one) {
    return !inScroller(one) && one.getBoundingClientRect().right > root.clientWidth + 1;
  }).map(function (one) { return one.tagName + "." + (one.getAttribute("class") || ""); });
  var texts = Array.prototype.slice.call(page.querySelectorAll("svg.plot")).filter(function (svg) {
    return svg.getBoundingClientRect().width > 0 && svg.querySelector("text");
  }).map(function (svg) {
    var text = parseFloat(svg.querySelector("text").getAttribute("font-size"));
    return text * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
  });
  var empty = ["h1", "main section", ".badge, .share", "svg.plot"].filter(function (selector) {
    var one = page.querySelector(selector);
    return !one || one.getBoundingClientRect().width < 20 || one.getBoundingClientRect().height < 10;
  });
  var filters = page.getElementById("filters"), shown = null;
  if (filters) {
    filters.elements.state.value = "broken";
    filters.dispatchEvent(new frame.contentWindow.Event("input", { bubbles: true }));
    shown = page.querySelectorAll(".matrix > tbody:not([hidden])").length;
  }
  document.getElementById("measured").textContent = JSON.stringify({
    width: root.clientWidth, scrolls: root.scrollWidth, sticking: sticking.slice(0, 5), empty: empty,
    smallest: texts.length ? Math.min.apply(null, texts) : null,
    dark: frame.contentWindow.matchMedia("(prefers-color-scheme: dark)").matches,
    background: frame.contentWindow.getComputedStyle(page.body).backgroundColor, shown: shown
  });
};
</script>"#;

/// The browser: named by the environment, or found by its usual names.
fn chromium() -> PathBuf {
    if let Some(named) = std::env::var_os("LIFEBOAT_CHROMIUM").filter(|named| !named.is_empty()) {
        return PathBuf::from(named);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut found = std::env::split_paths(&path)
        .flat_map(|directory| names.map(|name| directory.join(name)))
        .filter(|file| file.is_file());
    found
        .next()
        .expect("no Chromium in the path; LIFEBOAT_CHROMIUM names one")
}

/// A browser while it runs; its whole process group ends with it.
struct Browser {
    child: Child,
    group: Pid,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = kill_process_group(self.group, Signal::KILL);
        let _reaped = self.child.wait();
    }
}

/// Calls the browser, waits until it ends, and sees that nothing of it is left.
async fn browse(directory: &Path, is_dark: bool, more: &[&str]) -> Called {
    let profile = TempDir::new_in(directory).unwrap();
    let (out, err) = (directory.join("out"), directory.join("err"));
    let mut command = Command::new(chromium());
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
        ])
        .args(["--allow-file-access-from-files", "--enable-logging=stderr"])
        .args([
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-breakpad",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!(
            "--blink-settings=preferredColorScheme={}",
            u8::from(!is_dark)
        ))
        .args(more)
        .stdin(Stdio::null())
        .stdout(fs::File::create(&out).unwrap())
        .stderr(fs::File::create(&err).unwrap())
        .process_group(0);
    let child = command.spawn().unwrap();
    let group = Pid::from_child(&child);
    let mut browser = Browser { child, group };
    let child = Mutex::new(&mut browser.child);
    let ended = until(PATIENCE, || async {
        match child.lock().unwrap().try_wait().unwrap() {
            Some(status) => Probe::Ready(status),
            None => Probe::Pending(format!("the browser still runs: {more:?}")),
        }
    });
    let status = ended.await.unwrap();
    let gone = until(GONE_WITHIN, || async {
        match test_kill_process_group(group) {
            Ok(()) => Probe::Pending(String::from("processes of the browser are left")),
            Err(_) => Probe::Ready(()),
        }
    });
    gone.await.unwrap();
    drop(browser);
    let path = profile.path().to_owned();
    profile.close().unwrap();
    assert!(!path.exists(), "its profile is left");
    Called {
        code: status.code(),
        stdout: fs::read_to_string(out).unwrap(),
        stderr: String::from_utf8_lossy(&fs::read(err).unwrap()).into_owned(),
    }
}

/// Opens a page at one width, in one scheme, and returns how it is laid out.
async fn measure(directory: &Path, page: &Path, width: u32, is_dark: bool) -> Value {
    let wrapper = directory.join("measure.html");
    let text = MEASURE.replace("PAGE", &format!("file://{}", page.display()));
    fs::write(&wrapper, text.replace("WIDTH", &width.to_string())).unwrap();
    let address = format!("file://{}", wrapper.display());
    let arguments = [
        "--dump-dom",
        "--virtual-time-budget=5000",
        "--window-size=1400,1000",
        &address,
    ];
    let called = browse(directory, is_dark, &arguments).await.expect_code(0);
    assert!(
        !called.stderr.contains("CONSOLE"),
        "the browser complains: {}",
        called.stderr
    );
    let measured = called.stdout.split("<pre id=\"measured\">").nth(1).unwrap();
    let measured = measured.split("</pre>").next().unwrap();
    serde_json::from_str(measured).unwrap_or_else(|error| panic!("{error}: {measured}"))
}

/// Opens a page at both widths, in both schemes, and expects it to be right in all.
async fn expect_laid_out(page: &Path) -> Vec<Value> {
    let directory = tempfile::tempdir().unwrap();
    let mut all = Vec::new();
    for width in WIDTHS {
        for is_dark in [false, true] {
            let seen = measure(directory.path(), page, width, is_dark).await;
            let what = format!("{} at {width}, dark: {is_dark}: {seen}", page.display());
            assert_eq!(seen["width"], width, "{what}");
            assert_eq!(seen["dark"], is_dark, "{what}");
            assert!(
                seen["scrolls"].as_u64() <= seen["width"].as_u64(),
                "it scrolls sideways: {what}"
            );
            assert_eq!(seen["sticking"], Value::Array(Vec::new()), "{what}");
            assert_eq!(seen["empty"], Value::Array(Vec::new()), "{what}");
            let smallest = seen["smallest"].as_f64();
            assert!(smallest.is_none_or(|size| size >= SMALLEST_TEXT), "{what}");
            all.push(seen);
        }
    }
    assert_ne!(
        all[0]["background"], all[1]["background"],
        "dark is not dark"
    );
    expect_pictures(directory.path(), page).await;
    all
}

/// A picture of the page in both schemes is one of more than an empty page, and not the same.
async fn expect_pictures(directory: &Path, page: &Path) {
    let address = format!("file://{}", page.display());
    let picture = async |is_dark: bool| {
        let file = directory.join(format!("dark-{is_dark}.png"));
        let option = format!("--screenshot={}", file.display());
        let arguments = [option.as_str(), "--window-size=1280,1600", &address];
        let _called = browse(directory, is_dark, &arguments).await.expect_code(0);
        fs::read(file).unwrap()
    };
    let (light, dark) = (picture(false).await, picture(true).await);
    for picture in [&light, &dark] {
        assert!(picture.starts_with(b"\x89PNG"), "no picture");
        assert!(
            picture.len() > 30_000,
            "{} bytes are an empty page",
            picture.len()
        );
    }
    assert_ne!(light, dark);
}

#[tokio::test]
async fn the_page_of_a_run_that_lost_messages_is_laid_out() {
    let lifeboat = Lifeboat::new();
    let scenario = losing(&lifeboat);
    let directory = run(&lifeboat, &scenario, 10);
    let (page, _) = report(&lifeboat, &directory);
    let _seen = expect_laid_out(&page).await;
    // On paper it is a document of several pages.
    let home = lifeboat.home.path();
    let option = format!("--print-to-pdf={}", home.join("page.pdf").display());
    let address = format!("file://{}", page.display());
    let _called = browse(home, false, &[&option, &address])
        .await
        .expect_code(0);
    assert!(
        fs::read(home.join("page.pdf"))
            .unwrap()
            .starts_with(b"%PDF")
    );
}

#[tokio::test]
async fn the_page_of_a_rehearsal_is_laid_out() {
    let lifeboat = Lifeboat::new();
    let (page, _) = report(&lifeboat, &rehearsal(&lifeboat));
    let _seen = expect_laid_out(&page).await;
}

#[tokio::test]
async fn the_page_of_the_track_record_is_laid_out_and_can_be_filtered() {
    let lifeboat = Lifeboat::new();
    let record = track_record(&lifeboat);
    let (page, _) = report(&lifeboat, &record);
    let table: Value = serde_json::from_slice(&fs::read(record).unwrap()).unwrap();
    let broken = |row: &&Value| {
        let mut cells = row["cells"].as_object().unwrap().values();
        cells.any(|cell| cell["broken"].as_u64() > Some(0))
    };
    let broken = table["rows"]
        .as_array()
        .unwrap()
        .iter()
        .filter(broken)
        .count();
    for seen in expect_laid_out(&page).await {
        assert_eq!(seen["shown"], broken, "{seen}");
    }
}
