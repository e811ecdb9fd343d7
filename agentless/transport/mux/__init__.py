"""Connections that another process holds, ridden by OpenSSH's multiplexing protocol: no paramiko."""
