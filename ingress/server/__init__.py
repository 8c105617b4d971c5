"""The listening sockets and the server on them: limits of heads and bodies, shutdown."""
