"""Django's PostgreSQL backend with a test database that was made beforehand."""

from django.db.backends.postgresql import base
from django.db.backends.postgresql.creation import DatabaseCreation

from .features import DatabaseFeatures


class MadeBeforehand(DatabaseCreation):
    def _get_test_db_name(self):
        return self.connection.settings_dict["NAME"]

    def _create_test_db(self, verbosity, autoclobber, keepdb=False):
        return self._get_test_db_name()

    def _destroy_test_db(self, test_database_name, verbosity):
        pass


class DatabaseWrapper(base.DatabaseWrapper):
    creation_class = MadeBeforehand
    features_class = DatabaseFeatures
