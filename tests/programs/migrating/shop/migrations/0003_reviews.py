from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0002_stock")]
    operations = [
        migrations.AlterField("Book", "price", models.DecimalField(max_digits=10, decimal_places=2, default=1)),
        migrations.AlterField("Book", "name", models.CharField(max_length=80)),
        migrations.CreateModel("Review", [
            ("id", models.BigAutoField(primary_key=True)),
            ("book", models.ForeignKey("shop.Book", models.CASCADE)),
            ("stars", models.SmallIntegerField()),
        ]),
        migrations.CreateModel("Novel", [
            ("book_ptr", models.OneToOneField(
                "shop.Book", models.CASCADE, parent_link=True, primary_key=True, auto_created=True, serialize=False)),
            ("genre", models.TextField(db_default="none")),
        ], bases=("shop.book",)),
    ]
