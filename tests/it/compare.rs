//! Box against box: the grid, the first step that differs, and files that are no such files.

use crate::support::dns;
use crate::support::net::{Fault, SRV4, World};
use crate::support::pki::Pki;
use crate::support::run::{self, Outcome, Run};
use crate::support::zoo::{Script, Tls};
use std::fs;
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
fn the_latest_check_of_a_row_counts_and_missing_rows_show() {
    let line = |target: &str, keyword: &str| {
        format!(
            "{{\"schema\":1,\"type\":\"check\",\"target\":\"{target}\",\"verdict\":{{\"keyword\":\"{keyword}\"}}}}\n"
        )
    };
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
fn files_that_are_not_ours_are_refused_with_their_line() {
    let files = Files::new();
    let good =
        "{\"schema\":1,\"type\":\"check\",\"target\":\"h:1\",\"verdict\":{\"keyword\":\"ok\"}}\n";
    files.put("good.jsonl", good);
    let deep = format!("{good}{}1{}\n", "[".repeat(100_000), "]".repeat(100_000));
    for (text, complaint) in [
        (format!("{good}no json\n"), "line 2: no JSON"),
        (format!("\n{good}{}", good.trim_end().trim_end_matches('}')), "line 3: no JSON"),
        (deep, "line 2: no JSON"),
        (format!("\"{}\"\n", "x".repeat(2 << 20)), "line 1: longer"),
        (good.replace(":1,", ":2,"), "line 1: JSON, but no check"),
        ("{\"schema\":1,\"type\":\"check\"}".to_owned(), "line 1: target or verdict"),
        (String::new(), "holds no check"),
    ] {
        files.put("bad.jsonl", text);
        files
            .compare(&["good.jsonl", "bad.jsonl"])
            .status(2)
            .complains(complaint)
            .within(Duration::from_secs(3));
    }
    files.compare(&["good.jsonl"]).status(2).complains("compare what?");
    files.compare(&["good.jsonl", "missing.jsonl"]).status(2).complains("missing.jsonl");
    let painted = good.replace("h:1", "h\\u001b[31m\\u202e:1");
    files.put("painted.jsonl", painted);
    files.compare(&["good.jsonl", "painted.jsonl"]).status(1).harmless();
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
    assert one["securityContext"]["runAsNonRoot"] and one["image"] == "REGISTRY/reach"
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
    play().args(["-e", &*vars]).env("ANSIBLE_LOCAL_TEMP", dir).env("HOME", dir).run().status(0);
    let outcome = files.compare(&["results/one.jsonl", "results/two.jsonl"]);
    outcome.status(0).says("one").says("two").says("tcp.refused").says("nobody");
}

fn fleet(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("build-scripts/fleet").join(name)
}
