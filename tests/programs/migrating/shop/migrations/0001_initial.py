from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel("Author", [
            ("id", models.AutoField(primary_key=True)),
            ("name", models.CharField(max_length=40, unique=True)),
            ("mentor", models.ForeignKey("self", models.SET_NULL, null=True)),
        ]),
        migrations.CreateModel("Label", [
            ("id", models.AutoField(primary_key=True)),
            ("word", models.SlugField()),
        ]),
        migrations.CreateModel("Book", [
            ("id", models.AutoField(primary_key=True)),
            ("title", models.CharField(max_length=20)),
            ("author", models.ForeignKey("shop.Author", models.CASCADE)),
            ("price", models.IntegerField(default=1)),
            ("tags", ArrayField(models.TextField(), default=list)),
            ("data", models.JSONField(null=True)),
            ("labels", models.ManyToManyField("shop.Label")),
        ], options={
            "unique_together": {("author", "title")},
            "indexes": [models.Index(fields=["price"], name="book_price")],
            "constraints": [models.CheckConstraint(condition=models.Q(price__gte=0), name="book_priced")],
        }),
    ]
