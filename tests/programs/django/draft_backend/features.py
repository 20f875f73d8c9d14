from django.db.backends.postgresql import features


# Why a test is left out, on PostgreSQL itself as in a draft.
LEFT_OUT = {
    "Connections of one session write one after the other, and a row locked by a plain FOR UPDATE stands for all of them.": {
        "get_or_create.tests.UpdateOrCreateTransactionTests.test_creation_in_transaction",
        "select_for_update.tests.SelectForUpdateTests.test_skip_locked_skips_locked_rows",
    },
    "Expects an order without ORDER BY.": {
        "filtered_relation.tests.FilteredRelationTests.test_union",
        "postgres_tests.test_hstore.TestQuerying.test_usage_in_subquery",
    },
    "Sets standard_conforming_strings, which stays on.": {
        "postgres_tests.test_unaccent.UnaccentTest.test_unaccent_with_conforming_strings_off",
        "postgres_tests.test_unaccent.UnaccentTextFieldTest.test_unaccent_with_conforming_strings_off",
    },
    "Makes a table with an array of its own in the test.": {
        "postgres_tests.test_array.TestMigrations.test_adding_arrayfield_with_index",
        "postgres_tests.test_array.TestMigrations.test_adding_field_with_default",
    },
}


class DatabaseFeatures(features.DatabaseFeatures):
    @property
    def django_test_skips(self):
        return super().django_test_skips | LEFT_OUT
