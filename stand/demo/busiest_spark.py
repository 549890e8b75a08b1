"""A step of an EMR cluster, by Spark: the busiest routes of each month, from Parquet to Parquet.

  spark-submit busiest_spark.py s3://lake/nyc/flights/ s3://lake/nyc/busiest/
"""

import sys

from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as f

source, target = sys.argv[1:]
spark = SparkSession.builder.getOrCreate()
flights = spark.read.parquet(source)
routes = flights.groupBy("year", "month", "origin", "dest").agg(
    f.count("*").alias("flights"), f.sum("distance").alias("miles")
)
busiest = Window.partitionBy("year", "month").orderBy(f.desc("flights"), "dest")
routes = routes.withColumn("place", f.row_number().over(busiest)).where("place <= 10").drop("place")
routes.coalesce(1).write.mode("overwrite").parquet(target)
print(f"{flights.count():,} flights read, {spark.read.parquet(target).count()} rows written to {target}")
