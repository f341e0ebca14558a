//! How fast archives are verified and converted, how much memory that takes, and what bounds it.
//!
//! `cargo bench --bench archive -- [GIB]...` makes an archive of so many GiB (1 by default) in both
//! forms, and prints for each step the time, the throughput in decoded bytes, and the peak memory.
//! Every step runs in a process of its own; compare ratios within one run, not seconds.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use highway::{HighwayHash as _, HighwayHasher, Key};
use lifeboat::archive::{Archive, Form, Level};
use lifeboat::offline::{ConvertOptions, Look, convert, verify};

/// What a message holds: half of it random, half of it the same, as JSON with ids in it is.
const PAYLOAD: usize = 1 << 10;
const ROUNDS: usize = 3;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [step, path] = &arguments[..]
        && Path::new(path).exists()
    {
        return run_step(step, Path::new(path));
    }
    let sizes: Vec<u64> = arguments
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect();
    let sizes = if sizes.is_empty() { vec![1] } else { sizes };
    println!(
        "{:>5} {:8} {:24} {:>8} {:>8} {:>9}",
        "GiB", "form", "step", "seconds", "GB/s", "peak MiB"
    );
    for gib in sizes {
        measure(gib);
    }
}

fn measure(gib: u64) {
    let home =
        tempfile::tempdir_in(std::env::var_os("BENCH_DIR").unwrap_or("/var/tmp".into())).unwrap();
    let message = home.path().join("message");
    make(&message, gib << 30);
    let tar = home.path().join("tar");
    let options = ConvertOptions {
        form: Form::Tar,
        rename: None,
        config: None,
        to_file: false,
        take_in_consumers: false,
    };
    convert(&Look::at(&message).unwrap(), &tar, &options, None).unwrap();
    for (form, directory, file) in [
        ("tar", &tar, "stream.tar.s2"),
        ("message", &message, "stream.arc.s2"),
    ] {
        let archive = directory.join(file);
        let path = |step: &str| match step {
            "verify" | "convert" => directory.clone(),
            _ => archive.clone(),
        };
        for step in [
            "read",
            "sha256",
            "decode",
            "decode+hash",
            "survey",
            "verify",
            "convert",
        ] {
            // What converts needs room and time; once is enough.
            let rounds = if step == "convert" { 1 } else { ROUNDS };
            let mut runs: Vec<_> = (0..rounds).map(|_| call_step(step, &path(step))).collect();
            runs.sort_by(|a, b| a.0.total_cmp(&b.0));
            let (seconds, bytes, peak) = runs[rounds / 2];
            println!(
                "{gib:>5} {form:8} {step:24} {seconds:>8.2} {:>8.2} {peak:>9.0}",
                bytes / 1e9 / seconds
            );
        }
    }
}

/// Runs a step in a process of its own: seconds, decoded bytes, peak memory in MiB.
fn call_step(step: &str, path: &Path) -> (f64, f64, f64) {
    let output = Command::new(std::env::current_exe().unwrap())
        .arg(step)
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let values: Vec<f64> = text
        .split_whitespace()
        .map(|value| value.parse().unwrap())
        .collect();
    (values[0], values[1], values[2])
}

fn run_step(step: &str, path: &Path) {
    let began = Instant::now();
    let bytes = match step {
        "read" => read(path),
        "sha256" => sha256(path),
        "decode" => decode(path, |_| {}),
        "decode+hash" => decode(path, |frame| {
            for part in frame.chunks(PAYLOAD + 60) {
                let mut hasher = HighwayHasher::new(Key([1, 2, 3, 4]));
                hasher.append(part);
                black_box(hasher.finalize64());
            }
        }),
        "survey" => {
            Archive::open(path)
                .unwrap()
                .survey(Level::Content)
                .unwrap()
                .figures
                .bytes
        }
        "verify" => {
            let report = verify(&Look::at(path).unwrap(), Level::Content, None).unwrap();
            assert!(report.defects.first_damage().is_none());
            report.read.unwrap().figures.bytes
        }
        "convert" => convert_back(path),
        _ => panic!("no step `{step}`"),
    };
    let seconds = began.elapsed().as_secs_f64();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak: f64 = peak
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .unwrap_or(0.0);
    println!("{seconds} {bytes} {}", peak / 1024.0);
}

/// The floor: what the file system gives.
fn read(path: &Path) -> u64 {
    let mut file = File::open(path).unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => return bytes,
            count => bytes += count as u64,
        }
    }
}

/// What a manifest's digest costs.
fn sha256(path: &Path) -> u64 {
    use sha2::Digest as _;
    let mut file = File::open(path).unwrap();
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => break,
            count => {
                hasher.update(&buffer[..count]);
                bytes += count as u64;
            }
        }
    }
    black_box(hasher.finalize());
    bytes
}

/// What decoding and checking the frames costs on one core, with something done to each.
fn decode(path: &Path, mut use_frame: impl FnMut(&[u8])) -> u64 {
    let mut input = BufReader::with_capacity(1 << 18, File::open(path).unwrap());
    let mut header = [0; 4];
    let mut bytes = 0;
    let mut data = Vec::new();
    while input.read_exact(&mut header).is_ok() {
        let length = u64::from(u32::from_le_bytes([header[1], header[2], header[3], 0]));
        data.clear();
        input.by_ref().take(length).read_to_end(&mut data).unwrap();
        let decoded = match header[0] {
            0 => minlz::s2::decode(&data[4..]).unwrap(),
            1 => data[4..].to_vec(),
            _ => continue,
        };
        let crc = crc32c::crc32c(&decoded)
            .rotate_right(15)
            .wrapping_add(0xa282_ead8);
        assert_eq!(crc.to_le_bytes(), data[..4]);
        use_frame(&decoded);
        bytes += decoded.len() as u64;
    }
    bytes
}

fn convert_back(path: &Path) -> u64 {
    let look = Look::at(path).unwrap();
    let form = match look.named_form.unwrap() {
        Form::Tar => Form::Message,
        Form::Message => Form::Tar,
    };
    let target = path.with_extension("converted");
    let options = ConvertOptions {
        form,
        rename: None,
        config: None,
        to_file: false,
        take_in_consumers: false,
    };
    convert(&look, &target, &options, None).unwrap();
    fs::remove_dir_all(&target).unwrap();
    look.state().unwrap().bytes
}

/// Makes a backup in message form of so many bytes.
fn make(directory: &Path, bytes: u64) {
    fs::create_dir(directory).unwrap();
    let count = bytes / PAYLOAD as u64;
    let record = (PAYLOAD + 40) as u64;
    let state = format!(
        r#"{{"messages":{count},"bytes":{},"first_seq":1,"last_seq":{count},"consumer_count":0}}"#,
        count * record
    );
    let config = r#"{"name":"BENCH","subjects":["bench.>"],"retention":"limits","storage":"file"}"#;
    let metadata = format!(r#"{{"config":{config},"state":{state}}}"#);
    fs::write(directory.join("backup.json"), metadata).unwrap();
    let file = File::create(directory.join("stream.arc.s2")).unwrap();
    let mut output = minlz::s2::Writer::new(BufWriter::new(file));
    output.write_all(b"NATSARC1").unwrap();
    let mut entry = Vec::new();
    put(&mut entry, [10, 2, 0, 0, state.len() as u64]);
    entry.extend(b"state.json");
    entry.extend(state.bytes());
    output.write_all(&entry).unwrap();
    let mut random = fastrand::Rng::with_seed(1);
    let mut payload = vec![b'x'; PAYLOAD];
    for sequence in 1..=count {
        random.fill(&mut payload[..PAYLOAD / 2]);
        let subject = format!("bench.{}", sequence % 100);
        entry.clear();
        let time = 2 * (1_700_000_000_000_000_000 + sequence * 1000);
        put(
            &mut entry,
            [subject.len() as u64, time, sequence, 0, PAYLOAD as u64],
        );
        entry.extend(subject.bytes());
        entry.extend(&payload);
        output.write_all(&entry).unwrap();
    }
    output.write_all(&[0; 5]).unwrap();
    output.flush().unwrap();
}

fn put(into: &mut Vec<u8>, values: [u64; 5]) {
    for mut value in values {
        while value > 0x7f {
            into.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
            value >>= 7;
        }
        into.push(u8::try_from(value).unwrap());
    }
}
