"""`consilience methods|tasks|pool`: what there is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from consilience.cli.console import dollars, say, say_json, show_table
from consilience.errors import ConfigError, did_you_mean
from consilience.method import Level, Method
from consilience.model import Model
from consilience.wordings import is_list, wordings_of

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

CELL = 110
"""Characters of a question that a table shows."""


def methods(
    name: Annotated[str, typer.Argument(help="One method, with its options; or ./file.py:Class for one of your own.")] = "",
    level: Annotated[Level | None, typer.Option(help="Only this level.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table of the README.")] = False,
    prompts: Annotated[bool, typer.Option("--prompts", help="With a name: the wordings that it speaks in, to be replaced by "
                                                            "its option prompts.")] = False,
    json: AsJson = False,
) -> None:
    """How models can work together: every method with its paper, needs and cost.

    \b
    Examples:
      consilience methods
      consilience methods --level route
      consilience methods cascade
      consilience methods reconcile --prompts
      consilience methods ./my_method.py:MyMethod
    """
    from consilience import registry

    if prompts and not name:
        raise ConfigError("--prompts shows the wordings of one method: consilience methods NAME --prompts")
    if name:
        cls = registry.find(name)
        (_prompts if prompts else _one_method)(cls, name if ":" in name else cls.name, json)
        return
    found = [cls for cls in registry.methods().values() if level in (None, cls.level)]
    if json:
        say_json([facts(cls) for cls in found])
    elif markdown:
        say(method_table(found))
    else:
        show_table(["method", "level", "calls per question", "needs", "what it does"],
                   [[cls.name, cls.level.value, cls.cost, needs(cls), first_sentence(cls)] for cls in found],
                   spare=["needs", "calls per question"])
        say("\nconsilience methods NAME shows paper, cost, roles and options.", style="dim")


def first_sentence(cls: type[Method]) -> str:
    """The first sentence of a method's description."""
    about = " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())
    return re.split(r"\.(?=\s|$)", about)[0].rstrip(".") + "."


def needs(cls: type[Method]) -> str:
    """What a method needs of members and roles, in a few words."""
    parts = [power.__name__ for power in cls.needs]
    parts += [f"{role.name}: {', '.join(p.__name__ for p in role.needs)}" for role in cls.roles if role.needs and role.default != "none"]
    parts += extras(cls) + (["dev"] if at_defaults(cls, "must_fit") else [])
    return ", ".join(parts)


def extras(cls: type[Method]) -> list[str]:
    """What a method wants with its members' drafts."""
    return sorted(at_defaults(cls, "extras") or ())


def at_defaults(cls: type[Method], fact: str) -> Any:
    """A fact about a method; where it depends on the options, at their defaults (None when some must be given)."""
    value = getattr(cls, fact)
    if not isinstance(value, property):
        return value
    try:
        return getattr(cls(), fact)
    except TypeError:
        return None


def facts(cls: type[Method]) -> dict[str, Any]:
    """Everything about a method, as a JSON value."""
    from consilience.registry import options_of

    return {
        "name": cls.name, "level": cls.level.value, "about": (cls.__doc__ or "").strip(), "paper": cls.paper,
        "cost": cls.cost, "needs": [p.__name__ for p in cls.needs], "min_members": cls.min_members,
        "must_fit": bool(at_defaults(cls, "must_fit")), "learns": cls.fit is not Method.fit,
        "compares": bool(at_defaults(cls, "compares")),
        "extras": extras(cls),
        "roles": [{"name": r.name, "needs": [p.__name__ for p in r.needs], "default": r.default, "doc": r.doc}
                  for r in cls.roles],
        "prompts": list(wordings_of(cls)),
        "options": [{"name": o.name, "type": o.type, "default": o.default, "doc": o.doc} for o in options_of(cls)],
    }


def _prompts(cls: type[Method], called: str, json: bool) -> None:
    """The wordings of a method, in the form in which an experiment or a team may replace them."""
    found = wordings_of(cls)
    if json:
        say_json({name: {"text": w.text, "item": w.item} for name, w in found.items()})
    elif found:
        told = {name: {"text": w.text} | ({"item": w.item} if is_list(w) else {}) for name, w in found.items()}
        say(yaml.dump({called: {"prompts": told}}, Dumper=_Blocks, sort_keys=False, allow_unicode=True, width=100).rstrip())
        say(f"\nin an experiment, one or more of them:  methods: [{{{called}: {{prompts: {{{next(iter(found))}: \"...\"}}}}}}]",
            style="dim")
    else:
        say(f"{cls.name} asks in the words of the request; it has no prompts of its own")


class _Blocks(yaml.SafeDumper):
    """Writes texts of several lines as blocks."""


_Blocks.add_representer(str, lambda dumper, text: dumper.represent_scalar(
    "tag:yaml.org,2002:str", text, style="|" if "\n" in text.strip("\n") else None))


def _one_method(cls: type[Method], called: str, json: bool) -> None:
    from consilience.registry import common_options, options_of

    told = facts(cls)
    if json:
        say_json(told)
        return
    say(f"{cls.name} ({cls.level.value} level)", style="bold")
    say("\n".join(line.strip() for line in told["about"].split("\n")))
    rows = [("paper", cls.paper), ("calls per question", cls.cost), ("members", f"at least {cls.min_members}"),
            ("every member needs", ", ".join(told["needs"]) or "nothing but text"),
            ("with the drafts", ", ".join(told["extras"])), ("learns from dev", "yes, and must" if told["must_fit"] else "yes" if told["learns"] else "no"),
            ("answer format", "needed: it compares answers" if told["compares"] else ""),
            ("prompts", f"{', '.join(told['prompts'])} (--prompts shows them)" if told["prompts"] else "")]
    say("")
    show_table(["", " "], [row for row in rows if row[1]])
    if cls.roles:
        say("\nroles", style="bold")
        show_table(["role", "needs", "filled by", "part"],
                   [[r["name"], ", ".join(r["needs"]), r["default"] or "must be named", r["doc"]] for r in told["roles"]])
    for head, options in (("options", options_of(cls)), ("options of every method", common_options())):
        if options:
            say(f"\n{head}", style="bold")
            show_table(["option", "type", "default", "meaning"], [[o.name, o.type, o.default, " ".join(o.doc.split())] for o in options])
    first = next((f"{{{o['name']}: {o['default']}}}" for o in told["options"] if o["default"] not in ("required", "None")), "")
    say(f"\nin an experiment:  methods: [{{{called}: {first}}}]" if first else f"\nin an experiment:  methods: [{called}]",
        style="dim")


def method_table(found: Sequence[type[Method]]) -> str:
    """The table of methods in Markdown, as README.md and docs/methods.md hold it."""
    rows = ["| method | level | what it does | calls per question | source |", "| --- | --- | --- | --- | --- |"]
    rows += [f"| `{cls.name}` | {cls.level.value} | {first_sentence(cls)} | `{cls.cost}` | {cls.paper} |" for cls in found]
    return "\n".join(rows)


def tasks(
    name: Annotated[str, typer.Argument(help="A task: nursery, nursery/arith, a file, hub:name, recorded:file.")] = "",
    json: AsJson = False,
) -> None:
    """What can be asked: the embedded tasks, or one task with its splits, answer formats and a question.

    \b
    Examples:
      consilience tasks
      consilience tasks nursery/arith
      consilience tasks ../shared/data/tasks/gsm8k.json.gz
    """
    from consilience.tasks import task
    from consilience.tasks.embedded import names

    if name:
        _one_task(task(name), json)
        return
    found = [task(one) for one in names()]
    rows = [{"task": t.name, "dev": len(t.dev), "test": len(t.test), "answers": ", ".join(kinds(t)),
             "a question": _flat(t.dev[0].question)} for t in found]
    if json:
        say_json(rows)
        return
    show_table(list(rows[0]), [list(row.values()) for row in rows], right=["dev", "test"])
    say("\nA task is also a file (JSON Lines, CSV, Parquet, MoCo's JSON), a folder with dev and test, hub:org/name, or "
        "recorded:file.jsonl.gz.", style="dim")


def kinds(found: Any) -> list[str]:
    """The kinds of answer formats of a task, without their parameters."""
    return sorted({re.split("[-/]", name)[0] for name in found.formats})


def _flat(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= CELL else flat[:CELL - 1] + "…"


def _one_task(found: Any, json: bool) -> None:
    told: dict[str, Any] = {
        "task": found.name, "source": found.source, "dev": len(found.dev), "test": len(found.test),
        "answer formats": list(found.formats), "skills": list(found.skills), "left out": dict(found.dropped),
        "not scored here": found.refusal}
    example = next(iter((*found.dev, *found.test)), None)
    if example is not None:
        told |= {"a question": example.question, "its answer": list(example.references)}
    if json:
        say_json(told)
        return
    for key, value in told.items():
        if value not in ("", [], {}):
            text = ", ".join(map(str, value)) if isinstance(value, list) else value
            say(f"{key}: {', '.join(f'{k} {v}' for k, v in text.items()) if isinstance(text, dict) else text}")


def pool(
    name: Annotated[str, typer.Argument(help="A pool or model: nursery, one of its members, openai:name, hf:./path, "
                                             "recorded:file.jsonl.gz.")] = "nursery",
    json: AsJson = False,
) -> None:
    """Which models there are: the embedded pool, or what any spec stands for.

    \b
    Examples:
      consilience pool
      consilience pool nursery/generalist
      consilience pool recorded:../shared/data/recorded/zeroeval_gsm8k_half.jsonl.gz
    """
    found = everyone() if name == "nursery" else {m: "" for m in look_up(name)}
    if json:
        say_json([card(m) | ({"group": group} if group else {}) for m, group in found.items()])
    elif len(found) == 1:
        told = {key: value for key, value in card(next(iter(found))).items() if value not in ("", None, [])}
        say("\n".join(f"{key}: {', '.join(map(str, v)) if isinstance(v, list) else v}" for key, v in told.items()))
    else:
        grouped = any(found.values())
        show_table(["member", *(["group"] if grouped else []), "parameters", "$ per M tokens", "about"],
                   [[m.card.name, *([group] if grouped else []), f"{m.card.parameters:,}" if m.card.parameters else "",
                     _price(m), m.card.description] for m, group in found.items()],
                   right=["parameters"], spare=["parameters", "$ per M tokens"])
        say(f"\npowers: {_powers(list(found))}", style="dim")
        if grouped:
            say("`nursery` alone means the first group; nursery/NAME is one member, nursery:GROUP a group. The control "
                "is shown beside teams and plays in none.", style="dim")


def _powers(found: Sequence[Model]) -> str:
    """The powers of most models, then those of each that has others."""
    powers = {m.card.name: ", ".join(sorted(m.card.powers)) or "text only" for m in found}
    most = Counter(powers.values()).most_common(1)[0][0]
    return "; ".join([most, *(f"{name}: {own}" for name, own in powers.items() if own != most)])


def everyone() -> dict[Model, str]:
    """All members of the embedded pool, with their groups."""
    from consilience import pool as resolve
    from consilience.models.embedded import groups

    return {model: group for group in groups() for model in resolve(f"nursery:{group}")}


def look_up(name: str) -> list[Model]:
    """The models of a spec; a bare name may be one of the embedded pool."""
    from consilience import pool as resolve

    if ":" in name or "/" in name or name == "nursery" or Path(name).exists():
        return list(resolve(name))
    members = {m.card.name: m for m in everyone()}
    if name not in members:
        raise ConfigError(f"unknown pool or model {name!r}.{did_you_mean(name, [*members, 'nursery'])}")
    return [members[name]]


def card(model: Model) -> dict[str, Any]:
    """The facts about a model as a JSON value."""
    facts = model.card
    price = None if facts.price is None else [facts.price.prompt, facts.price.completion]
    return {"name": facts.name, "spec": facts.spec, "about": facts.description, "parameters": facts.parameters,
            "context": facts.context, "price per million tokens (prompt, completion)": price,
            "powers": sorted(facts.powers), "settings": sorted(facts.settings), "own wordings": sorted(facts.forms),
            "fingerprint": facts.fingerprint}


def _price(model: Model) -> str:
    price = model.card.price
    return "" if price is None else f"{dollars(price.prompt)} / {dollars(price.completion)}"
