"""Connections over SSH, made with paramiko: as Settings say, and nothing else.

The only package that imports paramiko. One deadline holds for all phases of a connection, and every key that a host
shows is judged before anything is sent to it.
"""
