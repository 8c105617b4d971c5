"""Where the heavy tests find what they try, and what they try it with."""

from pathlib import Path

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
SYSTEMD = DEPLOY / "systemd"
NGINX = DEPLOY / "nginx"
CACHE = Path("~/.cache/goblin-docqa/deploy-tests").expanduser()
"""Outside of the tree, so that later runs are quick: a bootstrapped Debian takes a minute."""
