"""Memories in the index of documents: order, topics, subjects and uses instead of vectors."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0001_initial"),
        ("agents", "0003_scene_without_default"),
    ]

    operations = [
        migrations.CreateModel(
            name="MemoryUse",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("score", models.FloatField()),
                ("used_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="memoryentry",
            name="agents_memory_text_once_per_scope",
        ),
        migrations.RemoveIndex(
            model_name="memoryentry",
            name="agents_memory_scope",
        ),
        migrations.RemoveIndex(
            model_name="memoryentry",
            name="agents_memory_text",
        ),
        migrations.RemoveField(
            model_name="memoryentry",
            name="embedding",
        ),
        migrations.RemoveField(
            model_name="memoryentry",
            name="embedding_model",
        ),
        migrations.AddField(
            model_name="memoryentry",
            name="occasion",
            field=models.CharField(
                blank=True, help_text="When and where it was said, in words.", max_length=200
            ),
        ),
        migrations.AddField(
            model_name="memoryentry",
            name="subject",
            field=models.CharField(
                blank=True,
                help_text="Whom it is about; exported and erased together.",
                max_length=200,
            ),
        ),
        migrations.AddField(
            model_name="memoryentry",
            name="topic",
            field=models.CharField(
                blank=True,
                help_text="The one thing it settles; a newer entry closes it.",
                max_length=200,
            ),
        ),
        migrations.AddIndex(
            model_name="memoryentry",
            index=models.Index(
                fields=["workspace", "scope", "scope_id", "occasion", "created_at", "id"],
                name="agents_memory_in_order",
            ),
        ),
        migrations.AddIndex(
            model_name="memoryentry",
            index=models.Index(
                condition=models.Q(
                    models.Q(("topic", ""), _negated=True), ("valid_until__isnull", True)
                ),
                fields=["workspace", "scope", "scope_id", "topic"],
                name="agents_memory_topic",
            ),
        ),
        migrations.AddIndex(
            model_name="memoryentry",
            index=models.Index(
                condition=models.Q(("subject", ""), _negated=True),
                fields=["workspace", "subject"],
                name="agents_memory_subject",
            ),
        ),
        migrations.AddConstraint(
            model_name="memoryentry",
            constraint=models.UniqueConstraint(
                condition=models.Q(("valid_until__isnull", True)),
                fields=("workspace", "scope", "scope_id", "occasion", "text_sha256"),
                name="agents_memory_text_once_per_scope",
            ),
        ),
        migrations.AddField(
            model_name="memoryuse",
            name="memory",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="uses",
                to="agents.memoryentry",
            ),
        ),
        migrations.AddField(
            model_name="memoryuse",
            name="run",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="memory_uses",
                to="agents.run",
            ),
        ),
        migrations.AddConstraint(
            model_name="memoryuse",
            constraint=models.UniqueConstraint(
                fields=("memory", "run"), name="agents_memory_use_once_per_run"
            ),
        ),
    ]
