"""How llama.cpp is compiled: with the header that is put before its files, GCC keeps what AMX reads.

Needs no processor with AMX: what the compiler wrote is read, not run.
"""

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.support.places import ROOT

HEADER = ROOT / "requirements" / "llama.cpp" / "amx_fix.h"
COMPILER = shutil.which("c++")
PROGRAM = """
#include <immintrin.h>
struct Config { unsigned char palette = 0, start = 0, reserved[14] = {0}; unsigned short columns[16] = {0};
                unsigned char rows[16] = {0}; };
void configure() { alignas(64) Config config = {}; config.palette = 1; config.rows[0] = 77; _tile_loadconfig(&config); }
void load() { alignas(64) unsigned char tile[1024] = {0}; tile[1023] = 88; _tile_loadd(0, tile, 64); }
"""


@pytest.mark.skipif(platform.machine() != "x86_64" or not COMPILER, reason="needs a C++ compiler for x86-64")
@pytest.mark.parametrize("optimisation", ["-O1", "-O2", "-O3"])
def test_the_stores_before_amx_instructions_are_kept(optimisation: str, tmp_path: Path) -> None:
    assert COMPILER
    (tmp_path / "amx.cpp").write_text(PROGRAM, encoding="utf-8")
    flags = ["-std=c++17", "-march=sapphirerapids", "-include", str(HEADER), optimisation, "-S", "-o", "-"]
    done = subprocess.run([COMPILER, *flags, "amx.cpp"], cwd=tmp_path, capture_output=True, text=True, check=True)
    before_config, before_load = done.stdout.partition("ldtilecfg")[0], done.stdout.partition("tileloadd")[0]
    assert "$77" in before_config
    assert "$88" in before_load
