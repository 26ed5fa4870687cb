BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('97727af70f4d');
CREATE TABLE experiment_tags (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(5000), 
	experiment_id INTEGER NOT NULL, 
	CONSTRAINT experiment_tag_pk PRIMARY KEY ("key", experiment_id), 
	FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id)
);
CREATE TABLE experiments (
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	artifact_location VARCHAR(256), 
	lifecycle_stage VARCHAR(32), creation_time BIGINT, last_update_time BIGINT, 
	CONSTRAINT experiment_pk PRIMARY KEY (experiment_id), 
	CONSTRAINT experiments_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
	UNIQUE (name)
);
INSERT INTO "experiments" VALUES(0,'Default','./mlruns/0','active',1795958328819,1795958328819);
INSERT INTO "experiments" VALUES(1,'digits','artifacts','active',1795958328830,1795958328830);
CREATE TABLE "latest_metrics" (
	"key" VARCHAR(250) NOT NULL, 
	value FLOAT NOT NULL, 
	timestamp BIGINT, 
	step BIGINT NOT NULL, 
	is_nan BOOLEAN NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT latest_metric_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid), 
	CHECK (is_nan IN (0, 1))
);
INSERT INTO "latest_metrics" VALUES('loss',0.25,1600000000003,3,0,'8df88da04530408ba3ee24ea332af261');
INSERT INTO "latest_metrics" VALUES('test/acc',0.5,1600000000009,0,0,'8df88da04530408ba3ee24ea332af261');
INSERT INTO "latest_metrics" VALUES('loss',0.2,1600000000003,3,0,'dee0895fa85c4c4dab5405254847bd16');
INSERT INTO "latest_metrics" VALUES('test/acc',0.625,1600000000009,0,0,'dee0895fa85c4c4dab5405254847bd16');
CREATE TABLE "metrics" (
	"key" VARCHAR(250) NOT NULL, 
	value FLOAT NOT NULL, 
	timestamp BIGINT NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	step BIGINT DEFAULT '0' NOT NULL, 
	is_nan BOOLEAN DEFAULT '0' NOT NULL, 
	CONSTRAINT metric_pk PRIMARY KEY ("key", timestamp, step, run_uuid, value, is_nan), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid), 
	CHECK (is_nan IN (0, 1))
);
INSERT INTO "metrics" VALUES('loss',1.0,1600000000000,'8df88da04530408ba3ee24ea332af261',0,0);
INSERT INTO "metrics" VALUES('loss',0.5,1600000000001,'8df88da04530408ba3ee24ea332af261',1,0);
INSERT INTO "metrics" VALUES('loss',3.33333333333333314829e-01,1600000000002,'8df88da04530408ba3ee24ea332af261',2,0);
INSERT INTO "metrics" VALUES('loss',0.25,1600000000003,'8df88da04530408ba3ee24ea332af261',3,0);
INSERT INTO "metrics" VALUES('test/acc',0.5,1600000000009,'8df88da04530408ba3ee24ea332af261',0,0);
INSERT INTO "metrics" VALUES('loss',0.5,1600000000000,'dee0895fa85c4c4dab5405254847bd16',0,0);
INSERT INTO "metrics" VALUES('loss',3.33333333333333314829e-01,1600000000001,'dee0895fa85c4c4dab5405254847bd16',1,0);
INSERT INTO "metrics" VALUES('loss',0.25,1600000000002,'dee0895fa85c4c4dab5405254847bd16',2,0);
INSERT INTO "metrics" VALUES('loss',0.2,1600000000003,'dee0895fa85c4c4dab5405254847bd16',3,0);
INSERT INTO "metrics" VALUES('test/acc',0.625,1600000000009,'dee0895fa85c4c4dab5405254847bd16',0,0);
CREATE TABLE model_version_tags (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(5000), 
	name VARCHAR(256) NOT NULL, 
	version INTEGER NOT NULL, 
	CONSTRAINT model_version_tag_pk PRIMARY KEY ("key", name, version), 
	FOREIGN KEY(name, version) REFERENCES model_versions (name, version) ON UPDATE cascade
);
CREATE TABLE "model_versions" (
	name VARCHAR(256) NOT NULL, 
	version INTEGER NOT NULL, 
	creation_time BIGINT, 
	last_updated_time BIGINT, 
	description VARCHAR(5000), 
	user_id VARCHAR(256), 
	current_stage VARCHAR(20), 
	source VARCHAR(500), 
	run_id VARCHAR(32), 
	status VARCHAR(20), 
	status_message VARCHAR(500), 
	run_link VARCHAR(500), 
	CONSTRAINT model_version_pk PRIMARY KEY (name, version), 
	FOREIGN KEY(name) REFERENCES registered_models (name) ON UPDATE CASCADE
);
CREATE TABLE "params" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(500) NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT param_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
INSERT INTO "params" VALUES('lr','0.1','8df88da04530408ba3ee24ea332af261');
INSERT INTO "params" VALUES('layers','[64, 32]','8df88da04530408ba3ee24ea332af261');
INSERT INTO "params" VALUES('seed','0','8df88da04530408ba3ee24ea332af261');
INSERT INTO "params" VALUES('lr','0.1','dee0895fa85c4c4dab5405254847bd16');
INSERT INTO "params" VALUES('layers','[64, 32]','dee0895fa85c4c4dab5405254847bd16');
INSERT INTO "params" VALUES('seed','1','dee0895fa85c4c4dab5405254847bd16');
CREATE TABLE registered_model_tags (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(5000), 
	name VARCHAR(256) NOT NULL, 
	CONSTRAINT registered_model_tag_pk PRIMARY KEY ("key", name), 
	FOREIGN KEY(name) REFERENCES registered_models (name) ON UPDATE cascade
);
CREATE TABLE registered_models (
	name VARCHAR(256) NOT NULL, 
	creation_time BIGINT, 
	last_updated_time BIGINT, 
	description VARCHAR(5000), 
	CONSTRAINT registered_model_pk PRIMARY KEY (name), 
	UNIQUE (name)
);
CREATE TABLE "runs" (
	run_uuid VARCHAR(32) NOT NULL, 
	name VARCHAR(250), 
	source_type VARCHAR(20), 
	source_name VARCHAR(500), 
	entry_point_name VARCHAR(50), 
	user_id VARCHAR(256), 
	status VARCHAR(9), 
	start_time BIGINT, 
	end_time BIGINT, 
	source_version VARCHAR(50), 
	lifecycle_stage VARCHAR(20), 
	artifact_uri VARCHAR(200), 
	experiment_id INTEGER, deleted_time BIGINT, 
	CONSTRAINT run_pk PRIMARY KEY (run_uuid), 
	CONSTRAINT runs_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
	CONSTRAINT source_type CHECK (source_type IN ('NOTEBOOK', 'JOB', 'LOCAL', 'UNKNOWN', 'PROJECT')), 
	FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CHECK (status IN ('SCHEDULED', 'FAILED', 'FINISHED', 'RUNNING', 'KILLED'))
);
INSERT INTO "runs" VALUES('8df88da04530408ba3ee24ea332af261','run 0','UNKNOWN','','','user','FINISHED',1600000000000,1600000001000,'','active','artifacts/8df88da04530408ba3ee24ea332af261/artifacts',1,NULL);
INSERT INTO "runs" VALUES('dee0895fa85c4c4dab5405254847bd16','run 1','UNKNOWN','','','user','FAILED',1600000000001,1600000001000,'','active','artifacts/dee0895fa85c4c4dab5405254847bd16/artifacts',1,NULL);
CREATE TABLE "tags" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(5000), 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT tag_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
INSERT INTO "tags" VALUES('mlflow.runName','run 0','8df88da04530408ba3ee24ea332af261');
INSERT INTO "tags" VALUES('mlflow.user','user','8df88da04530408ba3ee24ea332af261');
INSERT INTO "tags" VALUES('mlflow.runName','run 1','dee0895fa85c4c4dab5405254847bd16');
INSERT INTO "tags" VALUES('mlflow.user','user','dee0895fa85c4c4dab5405254847bd16');
CREATE INDEX index_metrics_run_uuid ON metrics (run_uuid);
CREATE INDEX index_latest_metrics_run_uuid ON latest_metrics (run_uuid);
CREATE INDEX index_tags_run_uuid ON tags (run_uuid);
CREATE INDEX index_params_run_uuid ON params (run_uuid);
COMMIT;
