#!/usr/bin/env python3
"""Compares the shop with what it stands for: WebShop's own reward (its goal.py is run), Lucene's search, spaCy's nouns.

usage: shop_reference.py SHOP_COMPARE WEBSHOP FOLDER [N]      prints the figures of docs/SHOP.md
       shop_reference.py --vectors SHOP_COMPARE WEBSHOP OUT    writes tests/vectors/shop.json (a made shop)

SHOP_COMPARE is build/tests/shop_compare, WEBSHOP a clone of princeton-nlp/WebShop, FOLDER one with products*.jsonl and
items_ins_v2*.json. Needs the PyPI packages thefuzz and rich; each where it is there: spacy with en_core_web_sm, bm25s,
Lucene 8 (Debian: liblucene8-java; $LUCENE names the folder of its jars). Rewards are compared on N (5,000) triples of
a goal, an item and chosen options: an item of the goal's top 50, or of the whole shop, or its own."""
import glob
import importlib
import json
import os
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
import types


class Token:
    def __init__(self, text, pos):
        self.text, self.pos_ = text, pos


class Nouns:
    """Stands for spaCy in WebShop's goal.py: takes the words of a table for nouns."""

    def __init__(self):
        self.table = {}

    def __call__(self, title):
        return [Token(w, "NOUN") for w in self.table[title]]


def webshop_goal(folder, nouns):
    sys.path.insert(0, folder)
    for name in ("web_agent_site", "web_agent_site.engine"):  # without what their __init__ would need
        package = types.ModuleType(name)
        package.__path__ = [os.path.join(folder, *name.split("."))]
        sys.modules[name] = package
    real = sys.modules.get("spacy")
    sys.modules["spacy"] = types.SimpleNamespace(load=lambda model: nouns)
    goal = importlib.import_module("web_agent_site.engine.goal")
    if real:
        sys.modules["spacy"] = real
    else:
        del sys.modules["spacy"]
    return goal


def ours(compare, what, lines, *world):
    out = subprocess.run([compare, what, *world], input="".join(x + "\n" for x in lines).encode(), stdout=subprocess.PIPE,
                         check=True).stdout.decode().split("\n")
    assert len(out) == len(lines) + 1, (what, len(out), len(lines))
    return out[:-1]


def one_line(text):
    return re.sub(r"[\t\r\n\x0b\x0c\x1c-\x1f\x85\u2028\u2029]", " ", text)


def contents(p):
    options = ", and ".join("%s: %s" % (k, ", ".join(v)) for k, v in p["options"].items())
    return " ".join([p["Title"], p["Description"], (p["BulletPoints"] or [""])[0], options]).lower()


def price(p):
    return sum(p["pricing"]) / len(p["pricing"]) if p["pricing"] else 100.0


def load(path):
    with open(path) as f:
        products = [json.loads(line) for line in f]
    products = [p.get("product", p) for p in products]
    for p in products:
        p["name"] = p["Title"]
    return products


def make_goals(products, said, rng):
    goals = []
    for p in products:
        s = said.get(p["asin"], {})
        if not s.get("instruction"):
            continue
        for _ in range(4):
            options = {k: rng.choice(v) for k, v in p["options"].items()}
            goals.append({"asin": p["asin"], "name": p["Title"], "query": p["query"],
                          "product_category": p["product_category"], "attributes": s["instruction_attributes"],
                          "goal_options": options if rng.random() < 0.7 else list(options.values()),
                          "price_upper": rng.choice([10.0, 30.0, 60.0, 100.0, 1000000]), "text": s["instruction"]})
    return goals


def triples(products, goals, lists, n, rng):
    by_asin = {p["asin"]: p for p in products}
    for _ in range(n):
        g = rng.choice(goals)
        kind = rng.random()
        near = [x.split(":")[0] for x in lists[g["text"]].split()]
        p = by_asin[g["asin"]] if kind < 0.2 else rng.choice(products) if kind < 0.4 or not near else by_asin[rng.choice(near)]
        options = {k: rng.choice(v) for k, v in p["options"].items() if rng.random() < 0.8}
        wanted = g["goal_options"] if isinstance(g["goal_options"], dict) else {}
        for k, v in wanted.items():  # now and then the right one
            if v in p["options"].get(k, []) and rng.random() < 0.5:
                options[k] = v
        yield g, p, options


def ask(g, p, options):
    goal = {k: g[k] for k in ("asin", "name", "query", "product_category", "attributes", "price_upper")}
    goal["options"] = g["goal_options"]
    return json.dumps({"goal": goal, "asin": p["asin"], "options": list(options.values())})


def rewards(compare, goal, nouns, products, path, goals, lists, n, rng):
    rows = list(triples(products, goals, lists, n, rng))
    titles = sorted({p["Title"] for p in products})
    got = [json.loads(x) for x in ours(compare, "reward", [ask(*r) for r in rows], path)]
    tagged = ours(compare, "nouns", [one_line(t) for t in titles])
    nouns.table = {t: [w for w in line.split("\t") if w] for t, line in zip(titles, tagged)}

    def theirs():
        return [goal.get_reward(p, g, price(p), options, verbose=True) for g, p, options in rows]

    same = theirs()
    equal = sum(abs(a["total"] - b[0]) < 1e-9 and a["r_type"] == b[1]["r_type"] for a, b in zip(got, same))
    print("reward, WebShop's goal.py with our nouns: %d of %d equal" % (equal, n))
    for a, b, (g, p, o) in zip(got, same, rows):
        if abs(a["total"] - b[0]) >= 1e-9:
            print("  first difference:", a, b, g["goal_options"], o)
            break
    nlp = spacy_model()
    if nlp:
        nouns.table = {t: [x.text for x in nlp(t) if x.pos_ in ("NOUN", "PROPN")] for t in titles}
        same = theirs()
        d = [abs(a["total"] - b[0]) for a, b in zip(got, same)]
        t = [abs(a["title_score"] - b[1]["title_score"]) for a, b in zip(got, same)]
        print("reward, WebShop's goal.py with spaCy's nouns: %.2f %% equal, mean difference %.4f, means %.4f (ours) %.4f; "
              "title score: mean difference %.4f"
              % (100 * sum(x < 1e-9 for x in d) / n, sum(d) / n, sum(a["total"] for a in got) / n,
                 sum(b[0] for b in same) / n, sum(t) / n))
        far = [i for i, (g, p, o) in enumerate(rows) if g["query"] != p["query"]]
        print("  of %d with an item of another kind: %.2f %% equal"
              % (len(far), 100 * sum(d[i] < 1e-9 for i in far) / max(1, len(far))))


def spacy_model():
    try:
        import spacy
    except ImportError:
        return None
    for name in ["en_core_web_sm"] + sorted(x.split(os.sep)[-2] for d in sys.path
                                            for x in glob.glob(os.path.join(d, "en_core_web_sm*", "__init__.py"))):
        try:
            return spacy.load(name)
        except OSError:
            try:
                return importlib.import_module(name).load()
            except ImportError:
                continue
    return None


def likeness(compare, products, rng):
    from thefuzz import fuzz
    phrases = sorted({one_line(x) for p in products for x in p["Attributes"] + [v for o in p["options"].values() for v in o]})
    pairs = [(rng.choice(phrases), rng.choice(phrases)) for _ in range(20000)]
    words = sorted({w for x in phrases for w in x.split()})
    for _ in range(5000):  # much alike, too
        a = rng.choice(phrases)
        w = a.split()
        w[rng.randrange(len(w))] = rng.choice(words)
        pairs.append((a, " ".join(w)))
    got = ours(compare, "likeness", ["%s\t%s" % x for x in pairs])
    print("token_set_ratio: %d of %d equal" % (sum(int(g) == fuzz.token_set_ratio(*x) for g, x in zip(got, pairs)), len(pairs)))


def lucene(docs, queries):
    jars = glob.glob(os.path.join(os.environ.get("LUCENE", "/usr/share/java"), "lucene-*.jar"))
    if not jars:
        return None
    here = os.path.dirname(os.path.abspath(__file__))
    with tempfile.TemporaryDirectory() as d:
        names = [os.path.join(d, x) for x in ("docs", "queries", "terms", "lists")]
        for name, lines in zip(names, (["%s\t%s" % x for x in docs], queries)):
            with open(name, "w") as f:
                f.writelines(x + "\n" for x in lines)
        subprocess.run(["java", "-cp", ":".join(jars), os.path.join(here, "ShopLucene.java"), *names], check=True)
        return [open(x).read().split("\n")[:-1] for x in names[2:]]


def ids(lists):
    return [[x.split(":")[0] for x in line.split()] for line in lists]


def agreement(name, a, b):
    pairs = [(x, y) for x, y in zip(a, b) if x or y]
    overlap = sum(len(set(x) & set(y)) / max(len(x), len(y)) for x, y in pairs) / len(pairs)
    print("top 50, %s: %d of %d lists the same in order, %.2f %% of the products shared, first the same in %.2f %%"
          % (name, sum(x == y for x, y in pairs), len(pairs), 100 * overlap,
             100 * sum(x[:1] == y[:1] for x, y in pairs) / len(pairs)))


def fts5(docs, queries):
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE t USING fts5(id UNINDEXED, text, tokenize = 'porter unicode61')")
    db.executemany("INSERT INTO t VALUES (?, ?)", docs)
    out = []
    for q in queries:
        words = " OR ".join('"%s"' % w for w in re.findall(r"\w+", q))
        out.append([r[0] for r in db.execute("SELECT id FROM t WHERE t MATCH ? ORDER BY rank LIMIT 50", (words or '""',))])
    return out


def bm25s_lists(terms, docs, query_terms):
    try:
        import bm25s
    except ImportError:
        return None
    index = bm25s.BM25(method="lucene", k1=0.9, b=0.4)
    index.index(terms, show_progress=False)
    out = []
    for q in query_terms:
        if not q:
            out.append([])
            continue
        found, scores = index.retrieve([q], k=min(50, len(docs)), show_progress=False)
        out.append([docs[i][0] for i, s in zip(found[0], scores[0]) if s > 0])
    return out


def searches(compare, products, said, path, rng):
    docs = [(p["asin"], one_line(contents(p))) for p in products]
    queries = []
    for p in products:
        s = said.get(p["asin"], {})
        queries += [p["Title"], p["query"]]
        if s.get("instruction"):
            queries += [s["instruction"], " ".join(s["instruction_attributes"])]
        queries += [rng.choice(v) + " " + p["query"] for v in p["options"].values()]
        w = " ".join(p["BulletPoints"]).split()
        if w:
            at = rng.randrange(len(w))
            queries.append(" ".join(w[at:at + rng.randint(1, 8)]))
    queries = [one_line(q).lower() for q in queries]
    got = ids(ours(compare, "search", queries, path))
    terms = ours(compare, "terms", [d[1] for d in docs])
    real = lucene(docs, queries)
    if real:
        print("terms, Lucene: %d of %d products the same" % (sum(a == b for a, b in zip(terms, real[0])), len(docs)))
        agreement("Lucene", got, ids(real[1]))
    query_terms = [[t for t in x.split("\t") if t] for x in ours(compare, "terms", queries)]
    b = bm25s_lists([x.split("\t") for x in terms], docs, query_terms)
    if b:
        agreement("bm25s", got, b)
    agreement("SQLite's FTS5", got, fts5(docs, queries))


def vectors(compare, folder, out):
    rng = random.Random(7)
    nouns = Nouns()
    goal = webshop_goal(folder, nouns)
    seed = 3
    lines = subprocess.run([compare, "products", str(seed)], stdout=subprocess.PIPE, check=True).stdout.decode()
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "products.jsonl")
        with open(path, "w") as f:
            f.write(lines)
        products = load(path)
    said = {p["asin"]: {"instruction": p["query"], "instruction_attributes": rng.sample(p["Attributes"], 2)} for p in products}
    goals = make_goals(products, said, rng)
    titles = [p["Title"] for p in products]
    nouns.table = dict(zip(titles, (x.split("\t") for x in ours(compare, "nouns", titles))))
    queries = [rng.choice(products)["query"] + " " + rng.choice(rng.choice(products)["Attributes"]) for _ in range(12)]
    _, lists = lucene([(p["asin"], contents(p)) for p in products], queries + sorted({g["text"] for g in goals}))
    near = dict(zip(sorted({g["text"] for g in goals}), lists[len(queries):]))
    rows = []
    for g, p, options in triples(products, goals, near, 40, rng):
        total, info = goal.get_reward(p, g, price(p), options, verbose=True)
        rows.append({**json.loads(ask(g, p, options)), "total": total, "r_type": info["r_type"]})
    made = {"seed": seed, "searches": [{"words": q, "hits": x} for q, x in zip(queries, ids(lists))], "rewards": rows}
    for s in made["searches"]:
        s["hits"] = s["hits"][:15]
    with open(out, "w") as f:
        json.dump(made, f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")


def main():
    if sys.argv[1] == "--vectors":
        return vectors(*sys.argv[2:5])
    compare, folder, data = sys.argv[1:4]
    n = int(sys.argv[4]) if len(sys.argv) > 4 else 5000
    rng = random.Random(1)
    path = sorted(glob.glob(os.path.join(data, "products*.jsonl")))[0]
    products = load(path)
    with open(sorted(glob.glob(os.path.join(data, "items_ins_v2*.json")))[0]) as f:
        said = json.load(f)
    nouns = Nouns()
    goal = webshop_goal(folder, nouns)
    likeness(compare, products, rng)
    goals = make_goals(products, said, rng)
    texts = sorted({g["text"] for g in goals})
    lists = dict(zip(texts, ours(compare, "search", [one_line(t) for t in texts], path)))
    rewards(compare, goal, nouns, products, path, goals, lists, n, rng)
    searches(compare, products, said, path, rng)


main()
