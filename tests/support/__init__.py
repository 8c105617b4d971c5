"""What tests share: servers, processes, clients and callers of their own."""
