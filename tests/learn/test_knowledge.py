"""What right answers teach: facts over the borders of stages, names that are one, chains of prompts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consilience.learn.knowledge import Advice, Fact, Knowledge, alike, extracted, merged

WORDS = st.lists(st.sampled_from(["red", "valve", "valves", "Red", "pump", "main"]), min_size=1, max_size=3).map(" ".join)
FACTS = st.lists(st.builds(Fact, WORDS, st.just("needs"), WORDS, st.sampled_from("ab")), max_size=8)

CROSS = Knowledge(("design", "build"), (
    Fact("valve", "is made of", "brass", "design"), Fact("brass", "is soldered at", "450 degrees", "build"),
    Fact("pump", "has", "two seals", "design")))


def test_facts_and_advice_as_models_write_them() -> None:
    text = "Fact: valve | is made of | brass\n- Fact: Brass|melts at|900 C\nhm\nempty | | x\nAdvice: look at the metal first.\nAdvice: two"
    facts, advice = extracted(text, "design", "Which metal?")
    assert facts == [Fact("valve", "is made of", "brass", "design"), Fact("Brass", "melts at", "900 C", "design")]
    assert advice == [Advice("design", "look at the metal first.", "Which metal?", frozenset({"valve", "brass", "900 c"}))]
    assert extracted("The answer is A.", "", "q") == ([], []) == extracted("", "", "q")


def test_a_fact_of_the_next_stage_is_found_at_two_hops_and_not_at_one() -> None:
    assert [f.stage for f in CROSS.around("How hot for the valve?", 2, 20)] == ["design", "build"]
    assert [f.stage for f in CROSS.around("How hot for the valve?", 1, 20)] == ["design"]
    assert CROSS.around("How hot for the valve?", 2, 1) == [CROSS.facts[0]]


def test_where_no_thing_is_named_the_likest_fact_begins() -> None:
    assert CROSS.around("What is soldered?", 1, 20)[0] == CROSS.facts[1]
    assert CROSS.around("Quite another matter", 2, 20) == [] == Knowledge().around("valve", 2, 20)


def test_a_thing_is_a_whole_word() -> None:
    known = Knowledge(("s",), (Fact("art", "needs", "paint", "s"), Fact("cart", "needs", "wheels", "s")))
    assert known.around("Push the cart!", 1, 9) == [known.facts[1]]


def test_merging_joins_alike_names_and_keeps_contradictions() -> None:
    facts = [Fact("Main Valve", "is", "open", "a"), Fact("main valve", "is", "shut", "b"), Fact("the main valve", "is", "old", "b")]
    assert [f.subject for f in merged(facts, .85)] == ["Main Valve", "Main Valve", "the main valve"]
    assert {f.subject for f in merged(facts, .6)} == {"Main Valve"} and len(merged(facts * 2, .6)) == 3
    assert alike("main valve", "Main valve") > .999 and alike("pump", "seal") == 0 == alike("", "x")


@given(FACTS, st.sampled_from([.4, .6, .85, 1.0]))
def test_merging_twice_changes_nothing(facts: list[Fact], least: float) -> None:
    once = merged(facts, least)
    assert merged(once, least) == once


def test_the_chain_goes_from_the_first_stage_to_that_of_the_question() -> None:
    known = Knowledge(("design", "build", "sell"), advice=(
        Advice("design", "weigh the metals", "Which metal for the valve?", frozenset({"brass"})),
        Advice("design", "draw it first", "Which shape for the lid?", frozenset({"lid"})),
        Advice("build", "mind the heat", "How hot is brass soldered?", frozenset({"brass"})),
        Advice("build", "use a jig", "How is brass cut?", frozenset({"lid"})),
        Advice("sell", "name a price", "What does it cost?")))
    assert known.chain("How hot is the valve soldered?", 3) == ["weigh the metals", "mind the heat"]
    assert known.chain("What does the lid cost?", 3)[-1] == "name a price" and len(known.chain("What does the lid cost?", 3)) == 3
    assert known.chain("zzz", 3) == [] == Knowledge().chain("How hot?", 3)
    assert Knowledge.of(known.values) == known and Knowledge.of(CROSS.values) == CROSS
