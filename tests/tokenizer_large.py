#!/usr/bin/env python3
"""Compares cmat's tokenizer with the `tokenizers` library on mixed text and prints how many ids differ.

usage: tokenizer_large.py MODEL.gguf BENCH_TOKENIZER   (needs: pip install tokenizers gguf)"""
import glob
import gzip
import os
import random
import subprocess
import sys
import tempfile
import time
import unicodedata

import smollm_tokenizer

SCRIPTS = {
    "latin": (0x41, 0x24F), "greek": (0x370, 0x3FF), "cyrillic": (0x400, 0x4FF), "hebrew": (0x590, 0x5FF),
    "arabic": (0x600, 0x6FF), "devanagari": (0x900, 0x97F), "bengali": (0x980, 0x9FF), "tamil": (0xB80, 0xBFF),
    "thai": (0xE00, 0xE7F), "tibetan": (0xF00, 0xFFF), "georgian": (0x10A0, 0x10FF), "hangul jamo": (0x1100, 0x11FF),
    "ethiopic": (0x1200, 0x137F), "khmer": (0x1780, 0x17FF), "mongolian": (0x1800, 0x18AF),
    "punctuation": (0x2000, 0x206F), "sub/super": (0x2070, 0x209F), "numbers": (0x2150, 0x218F),
    "arrows, maths": (0x2190, 0x22FF), "enclosed": (0x2460, 0x24FF), "boxes": (0x2500, 0x25FF),
    "dingbats": (0x2700, 0x27BF), "cjk punctuation": (0x3000, 0x303F), "kana": (0x3040, 0x30FF),
    "cjk": (0x4E00, 0x9FFF), "hangul": (0xAC00, 0xD7A3), "fullwidth": (0xFF00, 0xFFEF), "gothic": (0x10330, 0x1034F),
    "maths letters": (0x1D400, 0x1D7FF), "emoji": (0x1F300, 0x1F64F), "emoji 2": (0x1F900, 0x1F9FF),
    "cjk extension B": (0x20000, 0x2A6DF),
}


def files(limit):
    """Text of this machine: licences, documentation, sources, translations."""
    out = []
    patterns = ["/usr/share/common-licenses/*", "/usr/share/doc/*/changelog*.gz", "/usr/share/doc/*/copyright",
                "/usr/lib/python3*/*.py", "/usr/lib/python3*/test/*.py", "/usr/include/*.h", "/usr/share/i18n/locales/*",
                "/usr/share/perl/*/unicore/*.txt", "/usr/share/perl/*/*.pm", "/usr/share/X11/locale/*/Compose"]
    for pattern in patterns:
        size = 0
        for path in sorted(glob.glob(pattern)):
            try:
                opener = gzip.open if path.endswith(".gz") else open
                with opener(path, "rb") as f:
                    text = f.read(60000).decode("utf-8", "ignore")
            except OSError:
                continue
            out.append(text)
            size += len(text)
            if size > limit:
                break
    return out


def generated(rng):
    out = []
    for first, last in SCRIPTS.values():
        chars = [chr(c) for c in range(first, last + 1) if unicodedata.category(chr(c)) not in ("Cn", "Cs")]
        for _ in range(30):
            words = ["".join(rng.choices(chars, k=rng.randint(1, 12))) for _ in range(40)]
            out.append("".join(w + rng.choice([" ", " ", "  ", "\n", "\t", ", ", ". ", "'s ", "12 ", "-"]) for w in words))
    everything = [chr(c) for c in range(1, 0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
    rng.shuffle(everything)
    out.append("".join(everything))
    spaces = "  \t\n\r\v\f\x85\xa0\u1680\u2003\u2028\u3000\u180e\u200b"
    out += ["".join(rng.choices(spaces + "a1'.é", k=2000)) for _ in range(50)]
    out += ["a" * 3000, " " * 3000, "\n" * 3000, "!" * 3000, "ab" * 2000, "0" * 500, " 1" * 300]
    return out


def main():
    model, bench = sys.argv[1:3]
    rng = random.Random(1)
    tokenizer, _ = smollm_tokenizer.load(model)
    parts = files(250000) + generated(rng)
    rng.shuffle(parts)
    text = "".join(parts)
    data = text.encode()
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "text")
        with open(path, "wb") as f:
            f.write(data)
        ours = [int(x) for x in subprocess.run([bench, model, path, "--ids"], check=True, stdout=subprocess.PIPE).stdout.split()]
        print(subprocess.run([bench, model, path], check=True, stdout=subprocess.PIPE, text=True).stdout.strip())
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    best, theirs = 1e9, []
    for _ in range(3):
        start = time.perf_counter()
        theirs = tokenizer.encode(text).ids
        best = min(best, time.perf_counter() - start)
    print(f"tokenizers_mb_per_s {len(data) / 1e6 / best:.1f}")
    differing = sum(a != b for a, b in zip(ours, theirs)) + abs(len(ours) - len(theirs))
    print(f"bytes {len(data)} tokens {len(theirs)} differing_ids {differing}")
    if differing:
        i = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
        print("first at", i, "ours", [tokenizer.id_to_token(x) for x in ours[max(0, i - 3):i + 8]],
              "theirs", [tokenizer.id_to_token(x) for x in theirs[max(0, i - 3):i + 8]])
    sys.exit(differing != 0)


if __name__ == "__main__":
    main()
