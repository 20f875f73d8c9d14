from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [
        migrations.AddField("Book", "stock", models.IntegerField(default=5)),
        migrations.AddField("Book", "seen", models.DateField(null=True)),
        migrations.RenameField("Book", "title", "name"),
    ]
