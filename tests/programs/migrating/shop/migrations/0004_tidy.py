from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0003_reviews")]
    operations = [
        migrations.RemoveField("Book", "data"),
        migrations.RenameModel("Label", "Tag"),
        migrations.AddConstraint("Review", models.UniqueConstraint(
            fields=["book"], condition=models.Q(stars=5), name="best_review")),
        migrations.AlterField("Author", "mentor", models.ForeignKey("shop.Author", models.PROTECT, null=True)),
    ]
