//! Who this box is, its clock, and what a process may do here.

use crate::base::calendar::utc;
use crate::base::deadline::unix_now;
use crate::base::text;
use crate::command::box_view::{View, proc, shown, sysfs, value, whose};
use crate::report::{Object, array};

impl View {
    /// Who this is: name, kernel, system, and what it runs in.
    pub(super) fn host(&mut self, pid: Option<u32>) {
        // /proc tells the name that this process has.
        let name = match pid {
            Some(_) => self.file("etc/hostname").unwrap_or_default(),
            None => proc("sys/kernel/hostname"),
        };
        let kernel = proc("sys/kernel/osrelease");
        let release = self.file("etc/os-release").unwrap_or_default();
        let system = value(&release, "PRETTY_NAME=").trim_matches('"');
        let signs = self.signs(pid);
        let (name, kernel) = (shown(name.trim()), shown(kernel.trim()));
        let machine = std::env::consts::ARCH;
        let mut text = format!("{name}, Linux {kernel} {machine}, {}", shown(system));
        for sign in &signs {
            text += ", ";
            text += sign;
        }
        self.line("host", text);
        let object = Object::new().text("name", &name).text("kernel", &kernel);
        let signs = array(signs.iter().map(|sign| text::json_string(sign)));
        let object = object.text("machine", machine).text("system", &shown(system));
        self.member("host", object.raw("inside", signs));
    }

    /// What says that this is a container or a virtual machine.
    fn signs(&self, pid: Option<u32>) -> Vec<String> {
        let there = |name: &str| self.root.join(name).exists();
        let group = proc(&format!("{}/cgroup", whose(pid)));
        let group = group + &proc("1/cgroup");
        let mut signs = Vec::new();
        let named = KINDS.split(' ').find(|kind| group.contains(kind));
        if there(".dockerenv") || there("run/.containerenv") || named.is_some() {
            signs.push(["container", named.unwrap_or_default()].join(" ").trim_end().to_owned());
        }
        if there("var/run/secrets/kubernetes.io") || std::env::var_os(KUBERNETES).is_some() {
            signs.push("Kubernetes".to_owned());
        }
        let dmi = |name: &str| sysfs(&format!("class/dmi/id/{name}"));
        let vendor = dmi("sys_vendor") + " " + &dmi("product_name");
        if MACHINES.split(' ').any(|machine| vendor.contains(machine)) {
            signs.push("VM ".to_owned() + &shown(vendor.trim()));
        }
        signs
    }

    pub(super) fn clock(&mut self) {
        let now = unix_now();
        let up = proc("uptime");
        let up: u64 = up.split('.').next().and_then(|s| s.parse().ok()).unwrap_or_default();
        if now < WRITTEN {
            self.notes.push(note!("box.clock").with("time", utc(WRITTEN)));
        }
        self.line("clock", format!("{}, up {} h {} min", utc(now), up / 3600, up / 60 % 60));
        let object = Object::new().text("time", &utc(now)).number("up_s", up);
        self.member("clock", object.raw("possible", (now >= WRITTEN).to_string()));
    }

    /// What this process, or that of `--pid`, may have and do.
    pub(super) fn limits(&mut self, pid: Option<u32>) {
        let own = |name: &str| proc(&format!("{}/{name}", whose(pid)));
        let limits = own("limits");
        let files = value(&limits, "Max open files");
        let mut words = files.split_whitespace();
        let (soft, hard) = (words.next().unwrap_or("?"), words.next().unwrap_or("?"));
        let status = own("status");
        let field = |name: &str| value(&status, name).trim().to_owned();
        let seccomp = match field("Seccomp:").as_str() {
            "2" => "filter",
            "1" => "strict",
            _ => "no",
        };
        let capabilities = field("CapEff:");
        let label = own("attr/current");
        let label = shown(label.trim_end_matches(['\0', '\n']));
        let label = if label.is_empty() { "-" } else { &label };
        self.line("limits", format!("files {soft} (hard {hard})"));
        self.line(
            "rights",
            format!("uid {}, CapEff {capabilities}, seccomp {seccomp}, LSM {label}", uid(&status)),
        );
        let object = Object::new().text("files", soft).text("files_hard", hard);
        let object = object.text("seccomp", seccomp).text("capabilities", &capabilities);
        self.member("limits", object.text("label", label).text("uid", uid(&status)));
    }
}

/// The first number of the line, that of the real user.
fn uid(status: &str) -> &str {
    value(status, "Uid:").split_whitespace().next().unwrap_or("?")
}

/// Words of a cgroup's path by which engines name theirs.
const KINDS: &str = "docker kubepods libpod containerd crio lxc";

/// What the firmware of a virtual machine says of itself.
const MACHINES: &str = "QEMU KVM VMware VirtualBox Xen Microsoft Amazon Google OpenStack Bochs \
    Firecracker Parallels";

/// Every pod has it.
const KUBERNETES: &str = "KUBERNETES_SERVICE_HOST";

/// When this was written: a clock before that is wrong. 2026-11-28, in seconds since 1970.
const WRITTEN: i64 = 1_795_824_000;
