#!/usr/bin/env python3
"""build-scripts/deny.py: holds the dependencies against deny.toml, without a network once they are fetched.

Of cargo-deny's rules these: bans.allow, multiple-versions, licenses.allow, sources (crates.io only, also for the
tests). Beyond cargo-deny: the direct dependencies must be exactly the entries of bans.allow that give a reason, and no
entry may be left over. Then every rule is broken once, since a check that cannot fail is none. The status is 1 when
there is a complaint.
"""

import copy
import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"


@dataclass
class Graph:
    """What is built for the targets: licences by (name, version), and who needs whom, by name."""

    root: str
    licences: dict
    needs: set
    sources: dict  # of everything in Cargo.lock


def main():
    with open(os.path.join(ROOT, "deny.toml"), "rb") as file:
        config = tomllib.load(file)
    graph = read_graph(config["graph"]["targets"])
    found = complaints(config, graph)
    found += [f"deny.py does not notice: {what}" for what, broken in breakages(config, graph) if not complaints(*broken)]
    for complaint in found:
        print(complaint, file=sys.stderr)
    sys.exit(1 if found else 0)


def read_graph(targets):
    graph = Graph("", {}, set(), {})
    with open(os.path.join(ROOT, "Cargo.lock"), "rb") as file:
        for package in tomllib.load(file)["package"]:
            graph.sources[package["name"], package["version"]] = package.get("source")
    for target in targets:
        said = subprocess.run(["cargo", "metadata", "--locked", "--format-version=1", "--filter-platform", target],
                              cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
        walk(json.loads(said), graph)
    return graph


def walk(metadata, graph):
    """From the root along everything but dev-dependencies."""
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    graph.root = packages[root]["name"]
    todo, seen = [root], set()
    while todo:
        package = packages[todo.pop()]
        if package["id"] in seen:
            continue
        seen.add(package["id"])
        graph.licences[package["name"], package["version"]] = package["license"] or ""
        for need in nodes[package["id"]]["deps"]:
            if any(kind["kind"] != "dev" for kind in need["dep_kinds"]):
                graph.needs.add((package["name"], packages[need["pkg"]]["name"]))
                todo.append(need["pkg"])


def complaints(config, graph):
    allowed = {entry["crate"] for entry in config["bans"]["allow"]}
    wanted = {entry["crate"] for entry in config["bans"]["allow"] if "reason" in entry}
    direct = {name for user, name in graph.needs if user == graph.root}
    names = [name for name, _ in graph.licences]
    found = [f"{name} is not in bans.allow" for name in sorted(set(names) - allowed)]
    found += [f"nothing needs {name}, which bans.allow names" for name in sorted(allowed - set(names))]
    found += [f"{name} is there in two versions" for name in sorted({name for name in names if names.count(name) > 1})]
    found += [f"{name} is a direct dependency, and bans.allow has no reason for it" for name in sorted(direct - wanted)]
    found += [f"{name} is no direct dependency, and bans.allow has a reason for it" for name in sorted(wanted - direct)]
    found += [f"{name} {version}: {licence or 'no licence'}, which licenses.allow does not permit"
              for (name, version), licence in sorted(graph.licences.items()) if not permitted(licence, config["licenses"]["allow"])]
    found += [f"{name} {version} comes from {source or 'a path'}, not from crates.io"
              for (name, version), source in sorted(graph.sources.items()) if source != CRATES_IO and name != graph.root]
    return found


def permitted(expression, allowed):
    """Whether an SPDX expression can be met; AND binds tighter than OR, and / is an old way to write OR."""
    tokens = [*re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR ")), ""]

    def either():
        met = both()
        while tokens[0] == "OR":
            tokens.pop(0)
            met = both() or met
        return met

    def both():
        met = one()
        while tokens[0] == "AND":
            tokens.pop(0)
            met = one() and met
        return met

    def one():
        token = tokens.pop(0)
        if token == "(":
            met = either()
            return tokens.pop(0) == ")" and met
        if not token:
            return tokens.append(token) or False
        if tokens[:1] == ["WITH"]:
            token = " ".join([token, tokens.pop(0), tokens.pop(0)])
        return token in allowed

    return either() and tokens == [""]


def breakages(config, graph):
    """Each rule broken: a name for it, and what to hold against what."""
    def changed(change):
        pair = copy.deepcopy((config, graph))
        change(*pair)
        return pair

    yield "an unknown crate", changed(lambda c, g: g.licences.update({("new", "1.0.0"): "MIT"}))
    yield "a direct dependency more", changed(lambda c, g: g.needs.add((g.root, "cfg-if")))
    yield "a direct dependency less", changed(lambda c, g: g.needs.remove((g.root, "libc")))
    yield "an entry of bans.allow less", changed(lambda c, g: c["bans"]["allow"].pop())
    yield "an entry of bans.allow more", changed(lambda c, g: c["bans"]["allow"].append({"crate": "new"}))
    yield "a second version", changed(lambda c, g: g.licences.update({("ring", "0.0.1"): "MIT"}))
    yield "an unknown licence", changed(lambda c, g: g.licences.update({("ring", version_of(g, "ring")): "MIT AND (GPL-2.0 OR AGPL-3.0)"}))
    yield "no licence", changed(lambda c, g: g.licences.update({("ring", version_of(g, "ring")): ""}))
    yield "a licence's exception", changed(lambda c, g: g.licences.update({("ring", version_of(g, "ring")): "MIT WITH x"}))
    yield "a git source", changed(lambda c, g: g.sources.update({("new", "1.0.0"): "git+https://example.org/new"}))


def version_of(graph, crate):
    return next(version for name, version in graph.licences if name == crate)


if __name__ == "__main__":
    main()
