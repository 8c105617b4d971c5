"""The files below DOCQA_ROOT: looked at, read into the space `root`, followed. Nothing is ever written there."""
