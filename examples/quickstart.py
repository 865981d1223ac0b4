"""A team of the embedded models learns on dev, answers, and becomes a member of another team."""

import consilience as cs

members = cs.pool("nursery")                                                  # or ["openai:gpt-4o-mini", "hf:org/name"]
dev = cs.task("nursery", limit=64).dev                                        # questions to learn from
team = cs.Team(cs.KnnRouter(), members).fit_sync(dev)                         # who is good at what?
reply = team.ask("What is 17 + 25?", form="steps", temperature=0)
print(reply.text, "by", reply.note["route"], reply.usage)
bigger = cs.Team(cs.MajorityVote(), [team, *members[:2]])                     # a team is a model
print(bigger.ask("What is 17 + 25?", form="steps", temperature=0).note["votes"])
