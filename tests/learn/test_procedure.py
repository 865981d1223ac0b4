"""Procedures as YAML: what is read, what is refused and how, what it may cost, and programs in texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from consilience.errors import ConfigError
from consilience.learn.procedure import code, packaged, procedure, source

WRITER = {"role": "writer", "writes": "draft", "instruction": "Write."}
EDITOR = {"role": "editor", "reads": ["draft"], "writes": "final", "instruction": "Edit {draft}."}


def made(*phases: Any, **more: Any) -> Any:
    return procedure(source({"phases": list(phases), **more}))


def test_phases_are_read_with_their_defaults() -> None:
    found = made(WRITER, EDITOR)
    assert found.final == "final" and found.roles == ("writer", "editor") and found.calls() == 3
    assert (found.phases[0].member, found.phases[0].reads, found.phases[1].reads) == ("next", (), ("draft",))
    assert made(WRITER, EDITOR, answer="draft").final == "draft"


@pytest.mark.parametrize(("phases", "more", "message"), [
    ([WRITER | {"raeds": []}], {}, r"phase 1 \(writer\): unknown key 'raeds'. Did you mean 'reads'\?"),
    ([WRITER], {"anwser": "x"}, r"unknown key 'anwser'. Did you mean 'answer'\?"),
    ([WRITER], {"answer": "drafts"}, r"the answer is 'drafts', which no phase writes. Did you mean 'draft'\?"),
    ([WRITER, EDITOR | {"reads": ["darft"]}], {}, r"phase 2 \(editor\) reads 'darft', which no earlier phase writes. Did you mean 'draft'\?"),
    ([EDITOR, WRITER], {}, r"phase 1 \(editor\) reads 'draft', which no earlier phase writes"),
    ([WRITER, EDITOR | {"reads": []}], {}, r"its instruction shows \{draft\}, which is not among what it reads"),
    ([WRITER, WRITER], {}, r"phase 2 \(writer\) writes 'draft', which an earlier phase writes"),
    ([WRITER, {"role": "editor", "writes": "x"}], {}, r"phase 2 \(editor\): instruction: Field required"),
    ([WRITER | {"writes": "Big Draft"}], {}, r"phase 1 \(writer\): writes: String should match"),
    ([WRITER | {"member": 0}], {}, r"phase 1 \(writer\): member: "),
    ([WRITER | {"member": "worst"}], {}, r"phase 1 \(writer\): member: Input should be 'next' or 'best'"),
    ([WRITER | {"repairs": 2}], {}, r"has repairs but executes nothing; say which program: `executes: draft`"),
    ([WRITER | {"executes": "program"}], {}, r"executes 'program', which neither it nor an earlier phase writes"),
    ([WRITER | {"executes": "draft", "anew": True}], {}, r"anew is for tests of an earlier phase's program"),
    ([WRITER | {"executes": "draft", "repairs": -1}], {}, r"phase 1 \(writer\): repairs: Input should be greater"),
    (["writer"], {}, r"phase 1: Input should be a valid dictionary"),
    ([], {}, r"phases: Tuple should have at least 1 item"),
])
def test_what_is_wrong_is_said_in_one_line(phases: list[Any], more: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        made(*phases, **more)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["a: [\n", "- 1\n- 2\n", "just\ntext\n", "phases: 3\nanswer: x\n", "\n",
                                  "day: 2024-13-45\n", f"number: {'9' * 5000}\n"])
def test_what_is_no_procedure_is_said(text: str) -> None:
    with pytest.raises(ConfigError, match="procedure(:| is not YAML)"):
        procedure(source(text))


def test_a_file_becomes_its_text_and_a_packaged_one_its_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"phases": [WRITER]}))
    assert procedure(source(str(path))) == made(WRITER) and source(source(str(path))) == source(str(path))
    assert source("metagpt") == "metagpt"
    with pytest.raises(ConfigError, match=r"'metagtp' is no packaged one, and no file.*Did you mean 'metagpt'\?"):
        source("metagtp")
    with pytest.raises(ConfigError, match="no file that can be read"):
        source(str(tmp_path))


@pytest.mark.parametrize("name", sorted(packaged()))
def test_packaged_ones_are_right_and_say_what_they_do(name: str) -> None:
    found = procedure(name)
    assert found.about.endswith(".") and len(found.phases) > 2


def test_calls_at_most() -> None:
    tester = {"role": "tester", "writes": "tests", "instruction": "Test.", "executes": "draft", "repairs": 3}
    assert made(WRITER, tester).calls() == 2 + 1 + 3 + 1 and made(WRITER, tester).calls(0) == 4
    assert made(WRITER, tester | {"anew": True}).calls() == 2 + 1 + 3 + 2 + 1
    assert procedure("self-collaboration").calls(1) == 4 + 2 and procedure("self-collaboration").calls(3) == 8 + 2


@pytest.mark.parametrize(("text", "program"), [
    ("no program", None), ("```python\nx = 1\n```", "x = 1"), ("```\nx = 1\n```", "x = 1"), ("```py\nx = 1", "x = 1"),
    ("Run it:\n```bash\npip install x\n```\nSo\n```python3.11\ny = 2\n```\nDone.", "y = 2"), ("```bash\nls\n```", None),
    ("```python\ndef f():\n    pass\n```\nUse it:\n```python\nf()\n```", "def f():\n    pass"),
    ("```python\ndef f(): 1\n```\nBetter:\n```python\ndef f(): 2\n```", "def f(): 2"), ("  ```python\n  x = 1\n  ```", "  x = 1"), ("", None)])
def test_the_program_in_a_text(text: str, program: str | None) -> None:
    assert code(text) == program


@given(st.text(), st.text(alphabet=st.characters(exclude_characters="`\r", exclude_categories=["Cs"]), min_size=1))
def test_a_fenced_program_is_found_whatever_stands_before(before: str, program: str) -> None:
    assert code(f"{before.replace('`', '')}\n```python\n{program}\n```") == program.strip("\n")


def test_values_that_no_file_holds_and_roles_that_mean_something_else_are_refused() -> None:
    with pytest.raises(ConfigError, match="holds what no YAML file could"):
        source({"phases": [{"role": "writer", "instruction": object(), "writes": "draft"}]})
    with pytest.raises(ConfigError, match=r"phase 1 \(name\): no role can be called 'name'"):
        procedure(source({"phases": [{"role": "name", "instruction": "Answer.", "writes": "draft"}]}))
