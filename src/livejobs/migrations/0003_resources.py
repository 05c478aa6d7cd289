from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('livejobs', '0002_maintenance'),
    ]

    operations = [
        migrations.AddField(
            model_name='job',
            name='cpu_seconds',
            field=models.FloatField(default=0),
        ),
        migrations.AddField(
            model_name='job',
            name='memory_peak',
            field=models.PositiveBigIntegerField(default=0),
        ),
    ]
