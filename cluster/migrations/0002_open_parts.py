from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cluster", "0001_initial")]

    operations = [
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                fields=["parent"],
                condition=models.Q(("finished_at__isnull", True), ("parent__isnull", False)),
                name="cluster_task_open_part",
            ),
        ),
    ]
