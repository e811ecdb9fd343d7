"""The keeper: one background process per user that holds connections for the commands that come.

`client.py` and `kept_link.py` are a command's side and import no paramiko; `server.py` is the process. What goes
between them is PROTOCOL.mux with the messages of `messages.py`.
"""
