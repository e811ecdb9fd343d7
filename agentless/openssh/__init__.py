"""ssh's words and files: command lines, ssh_config, known_hosts, certificates, and the settings that they add up to."""
