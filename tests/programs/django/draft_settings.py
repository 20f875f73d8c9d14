"""Settings for Django's own test suite; the server comes from the environment."""

import os

DATABASES = {
    "default": {
        "ENGINE": "draft_backend",
        "HOST": "127.0.0.1",
        "PORT": os.environ["PROGRAM_PORT"],
        "NAME": os.environ["PROGRAM_DATABASE"],
        "USER": os.environ["PROGRAM_USER"],
        "PASSWORD": os.environ.get("PROGRAM_PASSWORD", ""),
        "OPTIONS": {"options": os.environ.get("PROGRAM_OPTIONS", "")},
    },
    "other": {"ENGINE": "django.db.backends.sqlite3"},
}
SECRET_KEY = "tests"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
