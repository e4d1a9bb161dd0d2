//! Box against box: the grid, the first step that differs, and files that are no such files.

use crate::support::dns;
use crate::support::net::{Fault, SRV4, World};
use crate::support::pki::Pki;
use crate::support::run::{self, Outcome, Run, emulator_lacks};
use crate::support::zoo::{self, Script, Tls};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// What boxes wrote.
struct Files(TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn compare(&self, names: &[&str]) -> Outcome {
        Run::new(["compare"]).args(names.iter().map(|name| self.0.path().join(name))).run()
    }
}

/// The lines that belong to a target: its row and what is indented below.
fn told(outcome: &Outcome, target: &str) -> String {
    let mut lines = outcome.stdout.lines().skip_while(|line| !line.contains(target));
    let row = lines.next().unwrap_or_else(|| panic!("no row for {target}\n{outcome}")).to_owned();
    let below: Vec<&str> = lines.take_while(|line| line.starts_with("    ")).collect();
    format!("{row}\n{}", below.join("\n"))
}

#[test]
fn two_boxes_see_different_things_and_the_firewall_between_is_named() {
    if run::emulated() {
        return run::emulation_cannot(
            &run::test_name(),
            "no error queue: nobody knows who said no",
        );
    }
    let Some(world) = World::faults() else { return };
    let rows = format!(
        "{SRV4}:{} name=open\n{SRV4}:{} name=fenced\n",
        Fault::OPEN.port(),
        Fault::ADMIN_PROHIBITED.port()
    );
    let files = Files::new();
    for name in ["cli", "srv"] {
        let run = Run::new(["--json", "-z", "-f", "-"]).stdin(&rows);
        files.put(&format!("{name}.jsonl"), run.at(world, name).run().stdout);
    }
    let outcome = files.compare(&["cli.jsonl", "srv.jsonl"]);
    outcome.status(1).silent_on_stderr().harmless().says("the verdicts on 1 of 2 rows differ");
    let fenced = told(&outcome, "fenced");
    assert!(fenced.starts_with('!') && fenced.contains("tcp.rejected"), "{outcome}");
    assert!(
        fenced.contains("cli: 10.77.3.2:") && fenced.contains("ICMP 3/13 from 10.77.2.2"),
        "{outcome}"
    );
    assert!(fenced.contains("leaves from  cli: 10.77.1.2"), "{outcome}");
    assert!(told(&outcome, "open").starts_with(' '), "{outcome}");
}

#[test]
fn another_answer_of_the_resolver_is_named_with_who_gave_it() {
    let server = Script::new().stall().serve();
    let zoo = dns::Server::zoo();
    let other = dns::Server::start(|_| dns::Answer::rcode(3).act());
    let files = Files::new();
    for (name, server_of) in [("a", &zoo), ("b", &other)] {
        let place = server.named("good.zoo.test");
        let run = Run::new([&*place, "--json", "-z", "-4", "--dns", &server_of.addr().to_string()]);
        files.put(&format!("{name}.jsonl"), run.run().stdout);
    }
    let outcome = files.compare(&["a.jsonl", "b.jsonl"]);
    let row = told(outcome.status(1), "good.zoo.test");
    assert!(row.contains("ok") && row.contains("dns.nxdomain"), "{outcome}");
    assert!(row.contains("resolver answer  a: 127.0.0.1"), "{outcome}");
    assert!(row.contains(&format!("asked  a: {}", zoo.addr())), "{outcome}");
    assert!(row.contains(&format!("b: {}", other.addr())), "{outcome}");
}

#[test]
fn another_certificate_and_another_ca_bundle_are_told_apart() {
    let pki = Pki::new();
    let serve = |identity| Script::new().tls(Tls::with(&identity).build()).stall().serve();
    let (first, second) = (serve(pki.good(&["box.test"])), serve(pki.good(&["box.test"])));
    let ca = pki.ca_file();
    let files = Files::new();
    let check = |name: &str, at: &str, trusts: bool| {
        let words = ["box.test:443", "--json", "--connect-to", at];
        let run = Run::new(words);
        let run = if trusts { run.arg("--ca").arg(&ca) } else { run };
        let text = run.run().stdout;
        files.put(
            name,
            text.replace(&first.addr().to_string(), "192.0.2.1:443")
                .replace(&second.addr().to_string(), "192.0.2.1:443"),
        );
    };
    check("a.jsonl", &first.addr().to_string(), true);
    check("b.jsonl", &second.addr().to_string(), true);
    check("c.jsonl", &first.addr().to_string(), false);
    // The same verdict from another certificate is worth a mark, and no failure.
    let outcome = files.compare(&["a.jsonl", "b.jsonl"]);
    let row = told(outcome.status(0), "box.test");
    assert!(row.starts_with('~') && row.contains("cert      SHA-256  a: "), "{outcome}");
    let outcome = files.compare(&["a.jsonl", "c.jsonl"]);
    let row = told(outcome.status(1), "box.test");
    assert!(row.contains("CA bundle  a: ") && row.contains("(1): yes"), "{outcome}");
    assert!(row.contains("flaws"), "{outcome}");
}

#[test]
fn a_handshake_that_differs_is_named_before_its_certificate() {
    let pki = Pki::new();
    let good = zoo::tls(Tls::with(&pki.good(&["box.test"])).build()).serve();
    let (alert, mute) = (zoo::alert(2, 40).serve(), zoo::mute().serve());
    let files = Files::new();
    for (name, server) in [("good", &good), ("alert", &alert), ("mute", &mute)] {
        let at = server.addr().to_string();
        let run = Run::new(["box.test:443", "--json", "--tls-timeout=300ms", "--connect-to", &at]);
        let text = run.arg("--ca").arg(pki.ca_file()).run().stdout;
        files.put(&format!("{name}.jsonl"), text.replace(&at, "192.0.2.1:443"));
    }
    let outcome = files.compare(&["good.jsonl", "mute.jsonl", "alert.jsonl"]);
    let row = told(outcome.status(1), "box.test");
    assert!(row.contains("tls       outcome  good: done"), "{outcome}");
    assert!(row.contains("mute: timeout") && row.contains("alert: alert 40"), "{outcome}");
    outcome.says_not("SHA-256").says_not("CA bundle");
}

#[test]
fn a_step_that_was_not_reached_is_called_so() {
    let files = Files::new();
    let a = r#"{"schema":1,"type":"check","target":"h:1","verdict":{"keyword":"ok"},"paths":[{"tls":{"outcome":"done","flaws":[]}}]}"#;
    let b = r#"{"schema":1,"type":"check","target":"h:1","verdict":{"keyword":"x"},"paths":[{"tls":null}]}"#;
    files.put("a.jsonl", a);
    files.put("b.jsonl", b);
    files.compare(&["a.jsonl", "b.jsonl"]).says("outcome  a: done").says("b: not reached");
    let names: Vec<_> = ["a.jsonl", "b.jsonl"].map(|name| files.0.path().join(name)).into();
    Run::new(["--lang=ja", "compare"]).args(names).run().says("b: 未実施");
}

#[test]
fn the_proxy_is_what_was_configured_whether_reached_or_not() {
    let proxy = zoo::hangup().serve();
    let files = Files::new();
    let url = format!("http://lab:secret@{}", proxy.addr());
    let check = |name: &str, proxy: &str| {
        let run = Run::new(["https://127.0.0.1:1/", "--proxy", "env", "--json"]);
        files.put(name, run.env("https_proxy", proxy).run().says_not("secret").stdout.clone());
    };
    check("up.jsonl", &url);
    drop(proxy);
    check("down.jsonl", &url);
    check("none.jsonl", "");
    let outcome = files.compare(&["up.jsonl", "down.jsonl"]);
    let row = told(outcome.status(1), "127.0.0.1:1");
    assert!(row.contains("proxy.closed") && row.contains("proxy.connect"), "{outcome}");
    assert!(row.contains("tcp       outcome  up: "), "{outcome}");
    outcome.says_not("through");
    let outcome = files.compare(&["down.jsonl", "none.jsonl"]);
    outcome.status(1).says("through  down: http://127.0.0.1:").says("none: none");
}

#[test]
fn what_socks5_asks_the_own_name_server_for_is_compared() {
    let proxy = zoo::hangup().serve();
    let files = Files::new();
    for (name, address) in [("a", "10.9.0.1"), ("b", "10.9.0.2")] {
        let server = dns::Server::start(move |_| dns::Answer::new().a(address).act());
        let url = format!("socks5://{}", proxy.addr());
        let at = server.addr().to_string();
        let run = Run::new(["box.test:22", "-4", "--json", "--proxy", &url, "--dns", &at]);
        files.put(&format!("{name}.jsonl"), run.run().stdout);
    }
    let outcome = files.compare(&["a.jsonl", "b.jsonl"]);
    let row = told(outcome.status(0), "box.test:22");
    assert!(row.starts_with('~'), "{outcome}");
    assert!(row.contains("resolver answer  a: 10.9.0.1, 127.0.0.1"), "{outcome}");
    assert!(row.contains("asked  a: 127.0.0.1:"), "{outcome}");
}

#[test]
fn rows_of_one_target_are_told_apart_by_what_they_ask() {
    let server = Script::new().stall().serve();
    let target = server.addr().to_string();
    let rows = format!(
        "{target} tls=no\n{target} tls=yes\n{target} tls=yes sni=a.test\n\
         {target} tls=no connect-to=127.0.0.1:1\n"
    );
    let less = rows.lines().rev().take(3).map(|row| row.to_owned() + "\n").collect::<String>();
    let files = Files::new();
    let check = |name: &str, rows: &str| {
        let run = Run::new(["--json", "--no-extra", "--tls-timeout=200ms", "-f", "-"]);
        files.put(name, run.stdin(rows).run().stdout);
    };
    check("a.jsonl", &rows);
    check("less.jsonl", &less);
    let text = fs::read_to_string(files.0.path().join("a.jsonl")).unwrap();
    let worse = text.replacen("\"keyword\":\"ok\"", "\"keyword\":\"tcp.closed\"", 1);
    assert_ne!(text, worse);
    files.put("worse.jsonl", worse + &text);
    files.put("every.jsonl", text.clone() + &text);
    files.compare(&["a.jsonl", "every.jsonl"]).status(0).says("all 4 rows are the same");
    // The latest counts, in whatever order they are.
    files.compare(&["a.jsonl", "worse.jsonl"]).status(0);
    let outcome = files.compare(&["a.jsonl", "less.jsonl"]);
    outcome.status(1).says("1 of 4 rows differ").says("tls=no  connect-to").says_not("proxy=");
    let told = |part: &str| told(&outcome, part);
    assert!(told("tls=no  ").starts_with("! "), "{outcome}");
    assert!(told("sni=a.test").contains("tls.timeout"), "{outcome}");
    assert!(told("connect-to=127.0.0.1:1").contains("tcp.refused"), "{outcome}");
}

#[test]
fn a_row_for_each_name_of_sni_compare() {
    let pki = Pki::new();
    let server = zoo::tls(Tls::with(&pki.good(&["a.test"])).build()).serve();
    let files = Files::new();
    for name in ["a", "b"] {
        let run = Run::new([&*server.addr().to_string(), "--tls", "--json"]);
        let run = run.args(["--sni-compare", "a.test,b.test", "--ca"]).arg(pki.ca_file());
        files.put(&format!("{name}.jsonl"), run.run().stdout);
    }
    let outcome = files.compare(&["a.jsonl", "b.jsonl"]);
    outcome.status(0).says("all 3 rows are the same");
    assert!(told(&outcome, "sni=a.test").contains("ok"), "{outcome}");
    assert!(told(&outcome, "sni=b.test").contains("cert.name"), "{outcome}");
}

#[test]
fn another_dead_address_is_another_partial() {
    let names = dns::Server::start(|_| dns::Answer::new().a("127.0.0.1").a("127.0.0.2").act());
    let files = Files::new();
    let first = Script::new().stall().serve();
    let target = first.named("box.test");
    let check = |name: &str| {
        let run = Run::new([&*target, "-z", "-4", "--json", "--dns", &names.addr().to_string()]);
        let outcome = run.run();
        outcome.verdict("partial");
        files.put(name, outcome.stdout);
    };
    check("a.jsonl");
    check("same.jsonl");
    let port = first.port();
    drop(first);
    let _second = Script::new().stall().serve_at(&format!("127.0.0.2:{port}"));
    check("b.jsonl");
    files.compare(&["a.jsonl", "same.jsonl"]).status(0);
    let outcome = files.compare(&["a.jsonl", "b.jsonl"]);
    let row = told(outcome.status(1), "box.test");
    assert!(row.starts_with('!') && row.contains("127.0.0.1:"), "{outcome}");
    // Where the connect does not tell them apart, the addresses do.
    let late = |text: &str| text.replace("\"outcome\":\"refused\"", "\"outcome\":\"connected\"");
    for name in ["a.jsonl", "b.jsonl"] {
        let path = files.0.path().join(name);
        files.put(name, late(&fs::read_to_string(path).unwrap()));
    }
    let outcome = files.compare(&["a.jsonl", "b.jsonl"]);
    outcome.status(1).says("partial   outcome  a: 127.0.0.2:");
}

fn line(target: &str, keyword: &str) -> String {
    format!(
        "{{\"schema\":1,\"type\":\"check\",\"target\":\"{target}\",\"verdict\":{{\"keyword\":\"{keyword}\"}}}}\n"
    )
}

#[test]
fn a_box_that_failed_does_not_hide_the_others() {
    let files = Files::new();
    let both = line("h:1", "ok") + &line("h:2", "ok");
    files.put("a.jsonl", &both);
    files.put("b.jsonl", &both);
    files.put("empty.jsonl", "");
    files.put("<none>.jsonl", "");
    files.put("cut.jsonl", line("h:1", "ok") + line("h:2", "ok").get(..40).unwrap());
    let outcome = files.compare(&["a.jsonl", "empty.jsonl", "b.jsonl", "<none>.jsonl", "no.jsonl"]);
    outcome.status(1).complains("empty.jsonl holds no check").complains("<none>.jsonl holds no");
    outcome.complains("no.jsonl: No such file").says("all 2 rows are the same");
    outcome.says("no checks from: empty, <none>, no");
    assert!(told(&outcome, "h:2").starts_with("  h:2  ok"), "{outcome}");
    // What is left of a file that was cut off counts.
    let outcome = files.compare(&["a.jsonl", "cut.jsonl"]);
    outcome.status(1).complains("cut.jsonl, line 2: no JSON, or cut off").says("1 of 2 rows");
    // One box alone is nothing to compare, and every bad file is named.
    let outcome = files.compare(&["a.jsonl", "no.jsonl", "empty.jsonl"]);
    outcome.status(2).complains("no.jsonl: No such").complains("empty.jsonl holds").says_not("h:1");
}

#[test]
fn the_latest_check_of_a_row_counts_and_missing_rows_show() {
    let files = Files::new();
    let statistics = "{\"schema\":1,\"type\":\"statistics\"}\n";
    files.put(
        "a.jsonl",
        line("h:1", "tcp.refused") + &line("h:2", "ok") + &line("h:1", "ok") + statistics,
    );
    files.put("b.jsonl", line("h:1", "ok"));
    fs::create_dir(files.0.path().join("other")).unwrap();
    files.put("other/b.jsonl", line("h:1", "ok") + "\n" + &line("h:2", "ok"));
    let outcome = files.compare(&["a.jsonl", "b.jsonl"]);
    outcome.status(1).says("1 of 2 rows differ");
    assert!(told(&outcome, "h:2").contains('-'), "{outcome}");
    files.compare(&["a.jsonl", "other/b.jsonl"]).status(0).says("all 2 rows are the same");
    // Two files of one name are told apart by their paths.
    files.compare(&["b.jsonl", "other/b.jsonl"]).says("other/b.jsonl");
}

#[test]
fn files_that_are_not_ours_are_named_with_their_line() {
    let files = Files::new();
    let good = line("h:1", "ok");
    files.put("good.jsonl", &good);
    let deep = format!("{}1{}\n", "[".repeat(100_000), "]".repeat(100_000));
    for (text, complaint) in [
        ("\n\nno json\nno json\n".to_owned(), "line 3: no JSON"),
        (good.trim_end().trim_end_matches('}').to_owned(), "line 1: no JSON"),
        (deep, "line 1: no JSON"),
        (format!("\"{}\"\n", "x".repeat(2 << 20)), "line 1: longer"),
        (good.replace(":1,", ":2,"), "line 1: JSON, but no check"),
        ("{\"schema\":1,\"type\":\"check\"}".to_owned(), "line 1: target or verdict"),
        (String::new(), "holds no check"),
    ] {
        files.put("bad.jsonl", &text);
        let outcome = files.compare(&["good.jsonl", "bad.jsonl"]);
        outcome.status(2).complains(complaint).within(Duration::from_secs(3));
        assert_eq!(outcome.stderr.lines().count(), 2, "{outcome}");
        files.put("bad.jsonl", good.clone() + &text);
        files.compare(&["good.jsonl", "bad.jsonl"]).status(0).says("all 1 rows are the same");
    }
    files.compare(&["good.jsonl"]).status(2).complains("compare what?");
    files.compare(&["good.jsonl", "missing.jsonl"]).status(2).complains("missing.jsonl");
    Run::new(["compare", "--json"]).run().status(2).complains("see: reach help compare");
}

#[test]
fn nothing_in_a_file_reaches_the_terminal_as_it_is() {
    let files = Files::new();
    let evil = "\\u001b[31m\\u202e\\u0007\\n! ";
    files.put("good.jsonl", line("h:1", "ok") + &line(evil, "ok"));
    let answer = format!("\"dns\":{{\"addresses\":[\"{evil}\"]}},\"sni\":\"{evil}\",\"verdict\"");
    let painted = line("h:1", evil) + &line(evil, "ok");
    files.put("painted.jsonl", painted.replace("\"verdict\"", &answer));
    let outcome = files.compare(&["good.jsonl", "painted.jsonl"]);
    outcome.status(1).harmless().says("\\x1b[31m").silent_on_stderr();
    assert_eq!(outcome.stdout.lines().filter(|line| line.starts_with('!')).count(), 1, "{outcome}");
    // A column is as wide as what is shown in it.
    let outcome = files.compare(&["painted.jsonl", "good.jsonl"]);
    let at = |line: &str, word| outcome.stdout.lines().find(|l| l.contains(line))?.rfind(word);
    assert_eq!(at("painted", "good"), at("! h:1", "ok"), "{outcome}");
}

#[test]
fn the_manifests_say_what_a_cluster_takes() {
    if Run::program("python3", ["-c", "import yaml"]).run().status != 0 {
        return run::skip(&run::test_name(), "python3-yaml is not installed");
    }
    let script = r#"
import sys, yaml
for name, kind, api in (("k8s-job", "Job", "batch/v1"), ("k8s-daemonset", "DaemonSet", "apps/v1")):
    it, = yaml.safe_load_all(open(f"{sys.argv[1]}/{name}.yaml"))
    assert (it["kind"], it["apiVersion"]) == (kind, api), it
    pod = it["spec"]["template"]["spec"]
    one, = pod["containers"]
    assert one["command"][:4] == ["/reach", "--json", "-f", "/rows/rows.txt"], one
    assert one["image"] == "REGISTRY/reach"
    # What the Pod Security Standard "restricted" asks for; it has no hostNetwork.
    rights = one["securityContext"]
    assert rights["runAsNonRoot"] and rights["allowPrivilegeEscalation"] is False
    assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
    assert rights["capabilities"] == {"drop": ["ALL"]}
    assert pod.get("hostNetwork", False) == (kind == "DaemonSet")
    assert {m["name"] for m in one["volumeMounts"]} == {v["name"] for v in pod["volumes"]}
    assert pod["volumes"][0]["configMap"]["name"] == "reach-rows"
    if kind == "DaemonSet":
        labels = it["spec"]["template"]["metadata"]["labels"]
        assert it["spec"]["selector"]["matchLabels"] == labels
        assert "--every" in one["command"] and pod.get("restartPolicy", "Always") == "Always"
    else:
        assert pod["restartPolicy"] == "Never" and it["spec"]["backoffLimit"] == 0
"#;
    Run::program("python3", ["-c", script]).arg(fleet("")).run().status(0);
}

/// The commands at the head of a manifest, with programs that do what a cluster would: a container
/// that is not there at first, and a log that grows.
fn head_commands(manifest: &str, kubectl: &str) -> (Files, Outcome) {
    let files = Files::new();
    let dir = files.0.path().to_str().unwrap().to_owned();
    fs::create_dir_all(files.0.path().join("bin")).unwrap();
    fs::create_dir_all(files.0.path().join("build-scripts")).unwrap();
    let program = |name: &str, body: &str| {
        let path = files.put(&format!("bin/{name}"), format!("#!/bin/sh\n{body}\n"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    program("kubectl", kubectl);
    program("skopeo", "echo \"$*\" >>copied");
    program("reach", r#"exec $REACH "$@""#);
    fs::copy(files.0.path().join("bin/skopeo"), files.0.path().join("build-scripts/image"))
        .unwrap();
    program("sleep", "exec /bin/sleep 0.01");
    files.put("rows.txt", "# rows\nh:1\n\nh:2\n");
    let text = fs::read_to_string(fleet(manifest)).unwrap();
    let commands: String = text
        .lines()
        .filter_map(|line| line.strip_prefix("#   "))
        .map(|c| format!("{c}\n"))
        .collect();
    let root = env!("CARGO_MANIFEST_DIR");
    let script = format!(
        "cd {dir}; ln -s {root}/build-scripts/fleet build-scripts/; PATH={dir}/bin:$PATH\n{commands}"
    );
    let outcome = Run::shell(&script).limit(Duration::from_secs(30)).run();
    (files, outcome)
}

#[test]
fn the_log_of_the_job_is_read_to_its_end() {
    let kubectl = r#"case "$*" in
        *'logs -f'*'job/reach') echo >>tries
            [ $(wc -l <tries) -gt 2 ] || { echo 'waiting to start' >&2; exit 1; }
            echo all ;;
        *apply*) grep -q image:.registry.example/reach || exit 1 ;;
    esac"#;
    let (files, outcome) = head_commands("k8s-job.yaml", kubectl);
    assert_eq!(outcome.status, 0, "{outcome}");
    let read = |name: &str| fs::read_to_string(files.0.path().join(name)).unwrap();
    assert_eq!((read("pod.jsonl").as_str(), read("tries").len()), ("all\n", 3), "{outcome}");
    let image = read("copied");
    assert!(image.ends_with(" docker://registry.example/reach:latest\n"), "{image}");
}

#[test]
fn the_log_of_each_node_is_read_until_it_has_every_row() {
    let kubectl = format!(
        r#"case "$*" in
        *get*) printf 'pod-a node-a\npod-b node-b\n' ;;
        *logs*) pod=${{2}}; echo >>$pod
            [ $(wc -l <$pod) -lt 2 ] || printf '%s' '{}'
            [ $(wc -l <$pod) -lt 4 ] || printf '%s' '{}' ;;
        *rollout*) echo "$*" | grep -q -e --timeout= ;;
    esac"#,
        line("h:1", "ok"),
        line("h:2", "ok")
    );
    let (_files, outcome) = head_commands("k8s-daemonset.yaml", &kubectl);
    outcome.status(0).says("all 2 rows are the same").says("node-a").says("node-b");
}

#[test]
fn the_playbook_collects_a_file_from_every_host() {
    if Run::shell("command -v ansible-playbook >/dev/null").run().status != 0 {
        return run::skip(&run::test_name(), "ansible-core is not installed");
    }
    let play = || {
        Run::program("ansible-playbook", ["-i", "one,two", "-c", "local"])
            .env("LC_ALL", "C.UTF-8")
            .arg(fleet("ansible.yml"))
            .limit(Duration::from_secs(120))
    };
    play().arg("--syntax-check").run().status(0);
    let [binary] = &run::binary()[..] else {
        return run::emulation_cannot(
            &run::test_name(),
            "the hosts have no emulator in front of the binary",
        );
    };
    let files = Files::new();
    let arch = Run::program("uname", ["-m"]).run().stdout;
    fs::copy(binary, files.put(&format!("reach-{}", arch.trim()), "")).unwrap();
    let rows = files.put("rows.txt", "127.0.0.1:1 name=nobody\n");
    let dir = files.0.path().to_str().unwrap();
    let vars = format!("binaries={dir} rows={} results={dir}/results", rows.display());
    let collect =
        |play: Run| play.args(["-e", &*vars]).env("ANSIBLE_LOCAL_TEMP", dir).env("HOME", dir).run();
    collect(play()).status(0);
    let outcome = files.compare(&["results/one.jsonl", "results/two.jsonl"]);
    outcome.status(0).says("one").says("two").says("tcp.refused").says("nobody");
    // A host that cannot be asked any more has no result of the last time.
    let hosts = files
        .put("hosts", "one\ntwo ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=1\n");
    collect(play().arg("-i").arg(hosts).args(["--limit", "one,two"])).status(4);
    files.compare(&["results/one.jsonl", "results/two.jsonl"]).status(2).complains("two.jsonl");
}

fn fleet(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("build-scripts/fleet").join(name)
}

#[test]
fn a_file_of_many_small_rows_takes_little_more_memory_than_it_is_long() {
    if emulator_lacks("the limit on memory is the emulator's too") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let row = |at: usize| {
        format!(
            "{{\"schema\":1,\"type\":\"check\",\"target\":\"127.0.{}.{}:1\",\"dns\":{{}},\
             \"paths\":[],\"verdict\":{{\"keyword\":\"ok\"}}}}\n",
            at / 256,
            at % 256
        )
    };
    let rows: String = (0..60_000).map(row).collect();
    for name in ["a", "b"] {
        std::fs::write(dir.path().join(name), &rows).unwrap();
    }
    let script = format!("cd {}; ulimit -d 60000; exec $REACH compare a b", dir.path().display());
    let outcome = Run::shell(&script).limit(Duration::from_secs(120)).run();
    outcome.status(0).says("all 60000 rows are the same");
}
