"""``provision test``: a role on a fresh test host, in the steps and words of Ansible's Molecule."""
