#!/usr/bin/env python3
"""Every `#include "vectorizer/<module>/…"` of a module is in that module's DEPENDS closure.

Headers share one root, so the compiler finds them whether or not the module may use them; the linker sees symbols only.
The configure step checks the layers of DEPENDS itself (cmake/module.cmake); this checks the includes against DEPENDS.
"""

import os
import re
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MODULE = re.compile(r"vectorizer_module\(\s*(\w+)\s+LAYER\s+(\d+)(.*?)\)", re.S)
KEYWORDS = {"DEPENDS", "THIRD_PARTY", "SOURCES"}
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]vectorizer/(\w+)/', re.M)
# The program is no module: the composition root may name every one of them.
UNRESTRICTED = {"app"}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def modules(root):
    """name -> (layer, direct dependencies), from src/*/CMakeLists.txt."""
    found = {}
    for folder in sorted(os.listdir(os.path.join(root, "src"))):
        path = os.path.join(root, "src", folder, "CMakeLists.txt")
        if not os.path.exists(path):
            continue
        text = re.sub(r"#.*", "", read(path))
        for name, layer, rest in MODULE.findall(text):
            section, depends = None, set()
            for word in rest.split():
                if word in KEYWORDS:
                    section = word
                elif section == "DEPENDS":
                    depends.add(word)
            found[name] = (int(layer), depends)
    return found


def closure(name, all_modules):
    seen, waiting = set(), [name]
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            waiting += all_modules.get(current, (0, set()))[1]
    return seen


def sources(root, name):
    for top in (os.path.join(root, "include", "vectorizer", name), os.path.join(root, "src", name)):
        for folder, _, files in os.walk(top):
            for file in files:
                if file.endswith((".hpp", ".cpp", ".in")):
                    yield os.path.join(folder, file)


def forbidden_includes(root):
    found, all_modules = [], modules(root)
    for name in all_modules:
        allowed = closure(name, all_modules)
        for path in sources(root, name):
            for included in INCLUDE.findall(read(path)):
                if included not in allowed:
                    found.append(f"{os.path.relpath(path, root)} includes vectorizer/{included}/, "
                                 f"but {name} does not depend on {included}")
    return found


class Layers(unittest.TestCase):
    def test_includes_follow_depends(self):
        self.assertEqual(forbidden_includes(ROOT), [])

    def test_dependencies_point_down(self):
        all_modules = modules(ROOT)
        for name, (layer, depends) in all_modules.items():
            for other in depends:
                self.assertIn(other, all_modules, f"{name} depends on {other}, which is no module")
                self.assertLess(all_modules[other][0], layer, f"{name} depends on {other}")

    def test_every_module_is_known_to_the_build_and_explained(self):
        folders = {f for f in os.listdir(os.path.join(ROOT, "src")) if os.path.isdir(os.path.join(ROOT, "src", f))}
        self.assertEqual(folders - UNRESTRICTED, set(modules(ROOT)))
        for folder in sorted(folders):
            with self.subTest(module=folder):
                self.assertTrue(os.path.exists(os.path.join(ROOT, "src", folder, "README.md")))

    def test_the_architecture_lists_every_module_with_its_layer(self):
        rows = re.findall(r"^\| (\d+) \| \[(\w+)\]\(\.\./src/(\w+)\) \|", read(os.path.join(ROOT, "docs", "architecture.md")), re.M)
        listed = {name: int(layer) for layer, name, folder in rows if name == folder and name not in UNRESTRICTED}
        self.assertEqual(listed, {name: layer for name, (layer, _) in modules(ROOT).items()})

    def test_every_decision_is_in_the_index(self):
        folder = os.path.join(ROOT, "docs", "decisions")
        index = re.findall(r"\]\((\S+\.md)\)", read(os.path.join(folder, "README.md")))
        self.assertEqual(sorted(index), sorted(f for f in os.listdir(folder) if f.endswith(".md") and f != "README.md"))

    def test_public_headers_belong_to_a_module(self):
        top = os.path.join(ROOT, "include", "vectorizer")
        self.assertLessEqual(set(os.listdir(top)), set(modules(ROOT)) | UNRESTRICTED)

    def test_a_forbidden_include_is_found(self):
        """The check itself: a tree in which `low` reaches up."""
        with tempfile.TemporaryDirectory() as root:
            for name, cmake, include in (("low", "vectorizer_module(low LAYER 0 SOURCES a.cpp)", "high"),
                                         ("high", "vectorizer_module(high LAYER 1 DEPENDS low SOURCES a.cpp)", "low")):
                os.makedirs(os.path.join(root, "src", name))
                for file, text in (("CMakeLists.txt", cmake), ("a.cpp", f'#include "vectorizer/{include}/b.hpp"\n')):
                    with open(os.path.join(root, "src", name, file), "w", encoding="utf-8") as out:
                        out.write(text)
            self.assertEqual(forbidden_includes(root),
                             ["src/low/a.cpp includes vectorizer/high/, but low does not depend on high"])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
