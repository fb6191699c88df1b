-- as: SECURITYADMIN
-- when: service_public_key
-- TYPE = SERVICE: no password, no browser login. A second key lets the first be replaced without a pause.
CREATE USER IF NOT EXISTS {service_user} TYPE = SERVICE COMMENT = 'The platform itself';
ALTER USER {service_user} SET
    RSA_PUBLIC_KEY = '{service_public_key}'
    RSA_PUBLIC_KEY_2 = '{service_public_key_2}' -- when: service_public_key_2
    DEFAULT_ROLE = LOADER
    DEFAULT_WAREHOUSE = LOADING;
GRANT ROLE LOADER TO USER {service_user};
GRANT ROLE TRANSFORMER TO USER {service_user};
