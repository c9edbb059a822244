#!/usr/bin/env python3
"""Records walks through ALFWorld games in TextWorld, for tests/house_walk to be compared with.

Needs the PyPI packages textworld, fast-downward-textworld and alfworld (its text part: no torch).
usage: house_record.py OUT.jsonl N SEED GAME_DIR [random|expert|both]
       house_record.py --compact OUT.jsonl WALKS.jsonl   

--compact puts MD5 in place of commands, and of ALFWorld's observations: what tests/vectors holds.

One line a walk: {"game" (or "task", of a game that house_walk wrote), "walk": "random"|"expert", "steps": [[command, observation, reward, done,
[admissible commands]], ...]}; the first step has no command. A random walk says what is admissible,
rarely something that is not; an expert one plays the game's own walkthrough."""
import copy
import functools
import glob
import hashlib
import json
import os
import random
import sys

ARGS = list(sys.argv)  # fast_downward overwrites it


def md5(text):
    return "md5:" + hashlib.md5(text.encode()).hexdigest()


if ARGS[1] == "--compact":
    with open(ARGS[3]) as walks, open(ARGS[2], "w") as out:
        for line in walks:
            w = json.loads(line)
            for step in w["steps"]:
                step[4] = md5("\n".join(step[4]))
                step[1] = md5(step[1]) if "game" in w else step[1]
            out.write(json.dumps(w, separators=(",", ":"), sort_keys=True) + "\n")
    sys.exit()
import fast_downward  # noqa: E402
import textworld  # noqa: E402
from textworld.core import EnvInfos  # noqa: E402
from textworld.envs.pddl import PddlEnv, textgen  # noqa: E402
from alfworld.agents.utils.misc import Demangler  # noqa: E402

# TextWorld does the same work again and again. What is remembered here is pure: the translation of
# a problem, and how a text is parsed. A second translation serves only its planner, not asked here.
_translate = functools.lru_cache(2)(fast_downward.pddl2sas)
fast_downward.pddl2sas = lambda domain, problem, verbose=False, optimize=False: (
    (None, "") if optimize else _translate(domain, problem))


@functools.lru_cache(None)
def _parsed(text, rule_name):
    return _parse(text, rule_name=rule_name)


_parse = textgen._parse_and_convert
textgen._parse_and_convert = lambda text, rule_name, trace=False: copy.deepcopy(
    _parsed(text, rule_name))
for value in (textworld.generator.game.EntityInfo, textworld.logic.Variable,
              textworld.logic.Placeholder):  # never changed while playing: no need of copies
    value.__deepcopy__ = lambda self, memo: self
_query = functools.lru_cache(None)(textgen.Rule.parse_conjunctive_query)
textgen.Rule.parse_conjunctive_query = _query


class Named(textworld.core.Wrapper):
    def load(self, *args):
        super().load(*args)
        names = Demangler(game_infos=self._entity_infos)
        for info in self._entity_infos.values():
            info.name = names.demangle_alfred_name(info.id)


def choose(rng, state):
    commands = state["admissible_commands"]
    doing = [c for c in commands if not c.startswith(("go to", "help", "look", "inventory"))]
    r = rng.random()
    if r < 0.03:
        return rng.choice(["jump", "go to nowhere 1", " " + rng.choice(commands) + " ", "Look",
                           rng.choice(commands) + "0", "take apple 1 from table 1"])
    return rng.choice(doing if doing and r < 0.6 else commands)


def walk(env, rng, gold, n):
    state = env.reset()
    steps = [[None, state.feedback, 0, False, state["admissible_commands"]]]
    for i in range(len(gold) if gold else n):
        command = gold[i] if gold else choose(rng, state)
        state, reward, done = env.step(command)
        steps.append([command, state.feedback, reward, done, state["admissible_commands"]])
        if done:
            break
    return steps


def main():
    out, n, seed, folder = ARGS[1], int(ARGS[2]), int(ARGS[3]), ARGS[4]
    kinds = [ARGS[5]] if len(ARGS) > 5 and ARGS[5] != "both" else ["random", "expert"]
    games = sorted(glob.glob(os.path.join(folder, "**", "game.tw-pddl"), recursive=True))
    rng = random.Random(seed)
    rng.shuffle(games)
    env = Named(PddlEnv(EnvInfos(won=True, admissible_commands=True)))
    with open(out, "a") as f:
        for game in games[:n]:
            with open(game) as g:
                data = json.load(g)
            gold, task = data["walkthrough"], data.get("task")
            env.load(game)
            for kind in kinds:
                steps = walk(env, rng, gold if kind == "expert" else None, rng.choice([15, 30, 50]))
                name = {"task": task} if task else {"game": os.path.relpath(game, folder)}
                f.write(json.dumps({**name, "walk": kind, "steps": steps}) + "\n")
                f.flush()


main()
