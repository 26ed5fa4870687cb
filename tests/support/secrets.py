"""Credentials in every shape in which people pass them to a training, and what only looks like one."""

from __future__ import annotations

import base64
from typing import Any

_NAMES = (
    *("password", "db_password", "dbpassword", "userPasswd", "passphrase", "secret", "clientSecret"),
    *("api_key", "apikey", "apiKey", "API_KEY", "OPENAI_API_KEY", "openai_key", "openaikey", "wandb_key"),
    *("ssh_key", "access_key", "aws.access_key", "private_key", "signing_key", "hf_token", "hftoken"),
    *("authtoken", "auth_token", "github_token", "pwd", "db_pwd", "auth", "basic_auth", "smtp_pass"),
    *("authorization", "credentials"),
)

SECRETS: list[tuple[str, Any, str]] = [
    *((name, f"s3cr3t{at:02}", f"s3cr3t{at:02}") for at, name in enumerate(_NAMES)),
    ("short_token", {"hf_token": "Zq7"}, "Zq7"),
    ("db", {"host": "h", "password": "nested-mapping"}, "nested-mapping"),
    ("servers", [{"host": "h", "auth": ["bob", "nested-list"]}], "nested-list"),
    ("deep", {"a": [{"b": {"c": {"api_key": "nested-deep"}}}]}, "nested-deep"),
    ("secrets", {"first": "below-secrets"}, "below-secrets"),
    ("passwords", ["in-a-list-1", "in-a-list-2"], "in-a-list"),
    ("by_number", {1: {"password": "below-a-number"}}, "below-a-number"),
    ("login", {"password": 90817263}, "90817263"),
    ("door_password", 83920175, "83920175"),
    ("dsn", "postgres://me:pw-in-address@host/db", "pw-in-address"),
    ("remote", "https://0123456789abcdefuser@host/x.git", "0123456789abcdefuser"),
    ("query", "https://host/data?user=me&api_key=in-a-query&x=1", "in-a-query"),
    ("storage", "AccountName=me;AccountKey=in-a-connection;x=1", "in-a-connection"),
    (
        "presigned",
        "https://b.s3.amazonaws.com/k?X-Amz-Date=1&X-Amz-Signature=0f-in-a-signature",
        "0f-in-a-sig",
    ),
    ("shared", "https://a.blob.core.windows.net/c?sv=2020-08-04&sig=sas%2Bin-a-query%3D", "sas%2Bin-a"),
    ("slack", "https://hooks.slack.com/services/T000000/B0000/in-a-webhook", "in-a-webhook"),
    ("discord", "post to https://discord.com/api/webhooks/1234567/in-discords-hook", "in-discords"),
    ("telegram", "bot123456789:AAH-abcdefghijklmnopqrstuvwxyz012345", "AAH-abc"),
    ("request", "curl -H 'X-Auth-Token: in-a-header' https://host", "in-a-header"),
    ("fetch", "curl -s -u me:pw-of-curl https://host/x", "pw-of-curl"),
    ("fetch_by_proxy", "curl --proxy-user=me:pw-of-proxy https://host", "pw-of-proxy"),
    ("headers", {"X": "Bearer abcdef123456789bearer"}, "abcdef123456789bearer"),
    ("header", "Authorization: Basic " + base64.b64encode(b"me:basic-pw").decode(), "bWU6YmFzaWMtcHc"),
    ("command", "train.py --lr 0.1 --hf_token after-an-option", "after-an-option"),
    ("arguments", ["train.py", "--hf-token", "after-an-item", "--lr=0.1"], "after-an-item"),
    ("assigned", ["--db.password=in-an-item"], "in-an-item"),
    ("payload", '{"user": "me", "password": "in-json"}', "in-json"),
    ("note", "use sk-proj-abcdefghijklmnop1234 for it", "abcdefghijklmnop1234"),
    ("a1", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "ghp_abc"),
    ("a2", "github_pat_11ABCDEFG0abcdefghijkl_mnop", "github_pat_11"),
    ("a3", "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH", "hf_abc"),
    ("a4", "AKIAIOSFODNN7EXAMPLE", "AKIAIOSF"),
    ("a5", "xoxb-123456789012-abcdefghij", "xoxb-1"),
    ("a6", "glpat-abcdefghijklmnopqrst", "glpat-a"),
    ("a7", "AIzaSyA1234567890abcdefghijklmnopqrstuv", "AIzaSyA"),
    ("a8", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijklmnop", "eyJzdWIi"),
    ("a9", "-----BEGIN RSA PRIVATE KEY-----\nMIIprivate\n-----END RSA PRIVATE KEY-----", "MIIprivate"),
]
"""Name and value of a parameter, and the text that must not be found anywhere."""

VISIBLE: list[tuple[str, Any]] = [
    ("kept_address", "https://host/designs?sig_level=0.05&signatures=3&design=signature"),
    ("kept_ratio", "12345678:AA"),
    ("kept_header", "X-Axis: epoch"),
    ("author", "jane"),
    ("authors", ["jane", "joe"]),
    ("max_tokens", "a-long-enough-text"),
    ("tokenizer", "bert-base-uncased"),
    ("pad_token", "<pad>"),
    ("token_dim", 3),
    ("monkey", "bonobo-bonobo"),
    ("keyboard", "api"),
    ("key", "x"),
    ("key_size", "256 bits"),
    ("sort_key", "observation_image_front_camera_1"),
    ("password_field_size", "12"),
    ("password_length", 12),
    ("secretary", "jane"),
    ("pwd", "/home/jane/train"),
    ("auth", "oauth2"),
    ("auth_method", "basic"),
    ("oauth_scopes", ["read"]),
    ("compass", "north"),
    ("n_pass", "two"),
    ("address", "https://host:5000/a@b"),
    ("repository", "ssh://git@github.com/jane/train"),
    ("commit", "0123456789abcdef0123456789abcdef01234567"),
    ("model", "sk-learn-random-forest-classifier"),
    ("prompt", "Basic training of the bearer certificates: a token = a word"),
    ("formula", "loss=a*b; lr=0.1"),
    ("nested", {"author": "jane", "tokens": ["a"], "size": 3, "rates": [0.1, 0.2]}),
]
"""Names and values of parameters that are no credentials."""
