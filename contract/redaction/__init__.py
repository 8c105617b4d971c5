"""Finds and replaces secrets in a text: the redactor, custom rules, control texts of models; its detectors are one file a kind."""
